"""SLAE Lab: a few-shot GAN with spatial attention in its skip links, in small, readable parts."""
