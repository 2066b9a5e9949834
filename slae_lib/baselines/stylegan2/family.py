"""What the lab finds under the name StyleGAN2: its configurations, networks, step and presets."""

import math

from slae_lib.baselines.stylegan2.config import NARROW, StyleGAN2Config, StyleGAN2TrainConfig
from slae_lib.training.families import Family
from slae_lib.training.presets import Preset

PRESETS = {
    # The comparison system. A high R1 weight is for high resolutions; 64 px need little.
    "stylegan2-cpu": Preset(
        "StyleGAN2, narrow, at 64 px on a CPU: to compare with cpu-demo",
        NARROW,
        StyleGAN2TrainConfig(
            iterations=1500,
            ema_decay=0.99,
            augment="translation",
            r1_gamma=1.0,
            device="cpu",
            log_every=10,
            sample_every=150,
            checkpoint_every=500,
        ),
    ),
    "stylegan2-256": Preset(
        "StyleGAN2, config F, at 256 px, for a GPU with 16 GB or more",
        StyleGAN2Config(resolution=256),
        StyleGAN2TrainConfig(samples=25),
    ),
}

STYLEGAN2 = Family(
    name="stylegan2",
    title="StyleGAN2",
    model=StyleGAN2Config,
    train=StyleGAN2TrainConfig,
    presets=PRESETS,
    generator="slae_lib.baselines.stylegan2.networks:StyleGAN2Generator",
    discriminator="slae_lib.baselines.stylegan2.networks:StyleGAN2Discriminator",
    step="slae_lib.baselines.stylegan2.step:StyleGAN2Step",
    blind_loss=2 * math.log(2),
)
