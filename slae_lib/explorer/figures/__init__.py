"""What the stage and the monitor draw: tensors in, a Figure out."""
