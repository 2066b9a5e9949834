"""StyleGAN2, written from its own paper: the comparison system of the SLAE paper."""
