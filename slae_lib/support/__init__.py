"""What every room stands on: errors, files, settings, devices, downloads, pretrained weights."""
