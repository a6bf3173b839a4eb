"""The authors' checkpoints: MXNet's binary files, and which of their arrays is which parameter here."""
