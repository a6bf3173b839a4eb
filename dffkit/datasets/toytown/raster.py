"""The renderer: textured parallelograms, a depth buffer, four samples a pixel; compiled by numba.

Everything in Toytown is made of flat *parts*: a corner O and two edges U and V in metres, so that a point of the part
is O + u U + v V with u and v in 0..1. Seen from a camera, u/z, v/z and 1/z are linear in the pixel, which makes
visibility, texture and exact flow the same few multiplications.
"""

import math

import numpy as np

from dffkit.support.machine import compiled

NEAR = 0.3  # metres: nothing nearer to the camera is drawn
SAMPLES = 2  # samples a pixel, along each axis


@compiled
def part_bounds(part, focal, cx, cy, width, height, bounds):
    """Write x0, y0, x1, y1 of the pixels that `part` (9,) can touch to `bounds`; return False if there are none."""
    low_x, low_y, high_x, high_y = 1e9, 1e9, -1e9, -1e9
    u, v = (0.0, 1.0, 1.0, 0.0), (0.0, 0.0, 1.0, 1.0)
    for i in range(4):
        j = (i + 1) % 4
        ax = part[0] + u[i] * part[3] + v[i] * part[6]
        ay = part[1] + u[i] * part[4] + v[i] * part[7]
        az = part[2] + u[i] * part[5] + v[i] * part[8]
        bz = part[2] + u[j] * part[5] + v[j] * part[8]
        if az > NEAR:
            low_x, high_x = min(low_x, ax / az), max(high_x, ax / az)
            low_y, high_y = min(low_y, ay / az), max(high_y, ay / az)
        if (az > NEAR) != (bz > NEAR):  # the edge crosses the near plane: its point there bounds the part too
            t = (NEAR - az) / (bz - az)
            x = ax + t * (part[0] + u[j] * part[3] + v[j] * part[6] - ax)
            y = ay + t * (part[1] + u[j] * part[4] + v[j] * part[7] - ay)
            low_x, high_x = min(low_x, x / NEAR), max(high_x, x / NEAR)
            low_y, high_y = min(low_y, y / NEAR), max(high_y, y / NEAR)
    if low_x > high_x:
        return False
    bounds[0] = max(0, math.floor(min(low_x * focal + cx, 1e8)))
    bounds[1] = max(0, math.floor(min(low_y * focal + cy, 1e8)))
    bounds[2] = min(width, math.floor(max(high_x * focal + cx, -1e8)) + 2)
    bounds[3] = min(height, math.floor(max(high_y * focal + cy, -1e8)) + 2)
    return bounds[0] < bounds[2] and bounds[1] < bounds[3]


@compiled
def opaque(atlas, levels, texture, level, u, v, repeat_u, repeat_v):
    """Return True if the nearest texel of a cutout's texture at (u, v) is solid."""
    offset, height, width = levels[texture, level, 0], levels[texture, level, 1], levels[texture, level, 2]
    column = int(u * repeat_u * width) % width
    row = int(v * repeat_v * height) % height
    return atlas[offset + (row * width + column) * 4 + 3] > 127


@compiled
def draw(order, parts, planes, looks, repeats, cutout, atlas, levels, focal, cx, cy, depth, ids):
    """Fill `ids` with the nearest part of every sample, and `depth` with its 1/z; `order` has near parts first."""
    height, width = ids.shape
    bounds = np.empty(4, np.int64)
    for p in order:
        if not part_bounds(parts[p], focal, cx, cy, width, height, bounds):
            continue
        u0, ux, uy, v0, vx, vy, w0, wx, wy = planes[p]
        texture, level, has_holes = looks[p, 0], looks[p, 1], cutout[p]
        repeat_u, repeat_v = repeats[p, 0], repeats[p, 1]
        for y in range(bounds[1], bounds[3]):
            for x in range(bounds[0], bounds[2]):
                inverse = w0 + wx * x + wy * y
                if inverse <= depth[y, x] or inverse > 1 / NEAR:
                    continue
                u, v = u0 + ux * x + uy * y, v0 + vx * x + vy * y  # over z, as 1 / z is
                if u < 0 or u >= inverse or v < 0 or v >= inverse:
                    continue
                if has_holes:
                    z = 1.0 / inverse
                    if not opaque(atlas, levels, texture, level, u * z, v * z, repeat_u, repeat_v):
                        continue
                depth[y, x] = inverse
                ids[y, x] = p


@compiled
def texel(x, y, footprint, planes, p, texture, repeat_u, repeat_v, clamp, atlas, levels):
    """Return red, green and blue of part `p` at sample (x, y), smoothed over `footprint` samples, and z."""
    wx, wy = planes[p, 7], planes[p, 8]
    z = 1.0 / (planes[p, 6] + wx * x + wy * y)
    ux, uy, vx, vy = planes[p, 1], planes[p, 2], planes[p, 4], planes[p, 5]
    u, v = (planes[p, 0] + ux * x + uy * y) * z, (planes[p, 3] + vx * x + vy * y) * z
    columns, rows = repeat_u * levels[texture, 0, 2], repeat_v * levels[texture, 0, 1]
    # number of texels covered, from the derivatives of u and v
    area = abs((ux - u * wx) * (vy - v * wy) - (uy - u * wy) * (vx - v * wx)) * z * z * columns * rows * footprint
    level = 0
    while area > 2.0 and level < levels[texture, 0, 3] - 1:
        area *= 0.25
        level += 1
    offset, rows, columns = levels[texture, level, 0], levels[texture, level, 1], levels[texture, level, 2]
    a, b = u * repeat_u * columns - 0.5, v * repeat_v * rows - 0.5
    left, top = math.floor(a), math.floor(b)
    a, b = a - left, b - top
    if clamp:
        left, right = min(max(left, 0), columns - 1), min(max(left + 1, 0), columns - 1)
        top, down = min(max(top, 0), rows - 1), min(max(top + 1, 0), rows - 1)
    else:  # sides are powers of two
        left, right = left & (columns - 1), (left + 1) & (columns - 1)
        top, down = top & (rows - 1), (top + 1) & (rows - 1)
    i, j = offset + (top * columns + left) * 4, offset + (top * columns + right) * 4
    k, m = offset + (down * columns + left) * 4, offset + (down * columns + right) * 4
    red = (1 - b) * ((1 - a) * atlas[i] + a * atlas[j]) + b * ((1 - a) * atlas[k] + a * atlas[m])
    green = (1 - b) * ((1 - a) * atlas[i + 1] + a * atlas[j + 1]) + b * ((1 - a) * atlas[k + 1] + a * atlas[m + 1])
    blue = (1 - b) * ((1 - a) * atlas[i + 2] + a * atlas[j + 2]) + b * ((1 - a) * atlas[k + 2] + a * atlas[m + 2])
    return red, green, blue, z


@compiled
def shade(ids, planes, texture, repeats, cutout, light, atlas, levels, haze, haze_density, image):
    """Colour every pixel of `image` (3, H, W) by its parts' textures and light, and by the haze before them.

    A pixel whose samples all show one part is looked up once, in its middle.
    """
    height, width = image.shape[1], image.shape[2]
    count = SAMPLES * SAMPLES
    for y in range(height):
        for x in range(width):
            top, left = SAMPLES * y, SAMPLES * x
            first = ids[top, left]
            same = True
            for i in range(1, count):
                same &= ids[top + i // SAMPLES, left + i % SAMPLES] == first
            red, green, blue, samples, footprint, middle = 0.0, 0.0, 0.0, count, 1.0, 0.0
            if same:
                samples, footprint, middle = 1, float(count), (SAMPLES - 1) / 2
            for i in range(samples):
                sy, sx = top + i // SAMPLES, left + i % SAMPLES
                p = ids[sy, sx]
                r, g, b, z = texel(
                    sx + middle, sy + middle, footprint, planes, p, texture[p], repeats[p, 0], repeats[p, 1], cutout[p],
                    atlas, levels,
                )  # fmt: skip
                clear = math.exp(-z * haze_density)
                red += light[p] * clear * r + (1 - clear) * haze[0]
                green += light[p] * clear * g + (1 - clear) * haze[1]
                blue += light[p] * clear * b + (1 - clear) * haze[2]
            image[0, y, x] = int(min(255.0, red / samples + 0.5))
            image[1, y, x] = int(min(255.0, green / samples + 0.5))
            image[2, y, x] = int(min(255.0, blue / samples + 0.5))


@compiled
def pixel_parts(ids, depth, out):
    """Write the part of each pixel to `out` (H, W): the part of most of its samples, in a tie the nearest one."""
    height, width = out.shape
    for y in range(height):
        for x in range(width):
            best, votes, near = 0, 0, 0.0
            for i in range(SAMPLES * SAMPLES):
                sy, sx = SAMPLES * y + i // SAMPLES, SAMPLES * x + i % SAMPLES
                count, inverse = 0, depth[sy, sx]
                for j in range(SAMPLES * SAMPLES):
                    other = ids[SAMPLES * y + j // SAMPLES, SAMPLES * x + j % SAMPLES]
                    if other == ids[sy, sx]:
                        count += 1
                if count > votes or (count == votes and inverse > near):
                    best, votes, near = ids[sy, sx], count, inverse
            out[y, x] = best


@compiled
def silhouettes(order, parts, planes, looks, repeats, cutout, owner, atlas, levels, focal, cx, cy, stamp, boxes, area):
    """Measure each object's outline as if nothing hid it: `boxes` (n, 4), x2 and y2 exclusive, and `area`, in pixels.

    `order` lists the parts object by object; `stamp` (H, W) is scratch memory, filled with -1.
    """
    height, width = stamp.shape
    bounds = np.empty(4, np.int64)
    for p in order:
        if not part_bounds(parts[p], focal, cx, cy, width, height, bounds):
            continue
        me = owner[p]
        u0, ux, uy, v0, vx, vy, w0, wx, wy = planes[p]
        texture, level = looks[p, 0], looks[p, 1]
        for y in range(bounds[1], bounds[3]):
            for x in range(bounds[0], bounds[2]):
                if stamp[y, x] == me:
                    continue
                z = 1.0 / (w0 + wx * x + wy * y)
                if z < NEAR:
                    continue
                u, v = (u0 + ux * x + uy * y) * z, (v0 + vx * x + vy * y) * z
                if u < 0 or u >= 1 or v < 0 or v >= 1:
                    continue
                if cutout[p] and not opaque(atlas, levels, texture, level, u, v, repeats[p, 0], repeats[p, 1]):
                    continue
                stamp[y, x] = me
                area[me] += 1
                boxes[me, 0], boxes[me, 1] = min(boxes[me, 0], x), min(boxes[me, 1], y)
                boxes[me, 2], boxes[me, 3] = max(boxes[me, 2], x + 1), max(boxes[me, 3], y + 1)


@compiled
def trace(pixels, planes, other_parts, other_ids, other_depth, focal, cx, cy, flow, occluded):
    """Follow each pixel's point into another frame: write `flow` (2, H, W) in pixels, and `occluded` (H, W).

    `pixels` (H, W) and `planes`, per pixel, are of this frame; `other_parts`, `other_ids` and `other_depth`, per
    sample, of the other one.
    """
    height, width = pixels.shape
    for y in range(height):
        for x in range(width):
            p = pixels[y, x]
            u0, ux, uy, v0, vx, vy, w0, wx, wy = planes[p]
            z = 1.0 / (w0 + wx * x + wy * y)
            u, v = (u0 + ux * x + uy * y) * z, (v0 + vx * x + vy * y) * z
            part = other_parts[p]
            there_z = part[2] + u * part[5] + v * part[8]
            if there_z <= NEAR:  # behind the camera no pixel shows it: follow the point to the near plane
                there_z = NEAR
            there_x = cx + focal * (part[0] + u * part[3] + v * part[6]) / there_z
            there_y = cy + focal * (part[1] + u * part[4] + v * part[7]) / there_z
            flow[0, y, x], flow[1, y, x] = there_x - x, there_y - y
            occluded[y, x] = True
            if there_z > NEAR and -0.5 <= there_x <= width - 0.5 and -0.5 <= there_y <= height - 0.5:
                # Visible if any sample of the nearest pixel shows this very part, or nothing nearer than it.
                row, column = min(height - 1, int(there_y + 0.5)), min(width - 1, int(there_x + 0.5))
                for i in range(SAMPLES * SAMPLES):
                    sy, sx = SAMPLES * row + i // SAMPLES, SAMPLES * column + i % SAMPLES
                    if other_ids[sy, sx] == p or other_depth[sy, sx] <= 1.01 / there_z:
                        occluded[y, x] = False
