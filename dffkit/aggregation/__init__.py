"""The other use of the flow: better features instead of fewer, better boxes over a clip, and key frames by content."""
