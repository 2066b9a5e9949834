"""What the explorers draw: tensors in, a Figure out; nobody else uses it but lesson 12."""
