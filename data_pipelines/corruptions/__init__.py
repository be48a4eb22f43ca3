"""What befalls a clip between camera and detector: compression, noise, loss, by severity."""
