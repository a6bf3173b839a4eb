// Widgets whose pictures were drawn in advance: each slider's position is a number in the picture's name.
for (const figure of document.querySelectorAll("figure.explorer")) {
  const picture = figure.querySelector("img");
  const texts = JSON.parse(figure.querySelector("script").textContent);
  const controls = [...figure.querySelectorAll("input, select")];
  const show = () => {
    const name = controls.map((control) => (control.type === "range" ? control.value : control.selectedIndex)).join("-");
    picture.src = `${figure.dataset.folder}/${name}.webp`;
    picture.alt = texts[name];
    for (const slider of controls.filter((control) => control.type === "range")) {
      const value = slider.dataset.values.split(" ")[slider.value];
      slider.nextElementSibling.value = value;
      slider.setAttribute("aria-valuetext", value);
    }
  };
  controls.forEach((control) => control.addEventListener("input", show));
  show(); // a reloaded page may have kept its sliders' positions
}
