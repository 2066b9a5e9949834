"""The program that makes a view, for those who want to go on from it."""

from slae_lib.explorer.scene import PAINTED_SIDE, View
from slae_lib.explorer.source import Source


def view_code(view: View, source: Source) -> str:
    """Return a Python program that computes ``image``, the view's, and draws the figure.

    Args:
        view: what is shown.
        source: what it is shown of.
    """
    file = source.files[view.checkpoint]
    config = source.generator(view.checkpoint).config
    load = "load_averaged_generator" if file.suffix == ".pt" else "load_generator"
    attention = config.skip == "slae"
    imports = [
        "from pathlib import Path",
        "",
        "import torch",
        "",
        f"from slae_lib.training.checkpoint import {load}",
        "from slae_lib.datasets import to_uint8",
    ]
    if config.metadata and source.bank is not None:
        imports.append("from slae_lib.metadata import MetadataBank")
    imports.append("from slae_lib.plotting.explorer import view_figure")
    parts = [
        imports,
        [f"generator = {load}(Path({str(file)!r}))"],
        _noise(view),
        _metadata(view, source) if config.metadata else ["metadata = None"],
        ["plain = generator(noise, metadata, return_attention=True)"],
        _replacement(view) if attention and view.attention != "own" else ["output = plain"],
        _drawing(view, attention),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _noise(view: View) -> list[str]:
    lines = [
        "def noise_of(seed):",
        "    source = torch.Generator().manual_seed(seed)",
        "    return torch.randn(1, generator.config.noise_dim, generator=source)",
        "",
    ]
    if not view.mix:
        return ["", *lines, "", f"noise = noise_of({view.seed})"]
    return [
        "",
        *lines,
        "",
        f"mix = {view.mix!r}",
        f"noise = (1 - mix) * noise_of({view.seed}) + mix * noise_of({view.second_seed})",
        "noise = noise / ((1 - mix) ** 2 + mix**2) ** 0.5  # deviation 1 again",
    ]


def _metadata(view: View, source: Source) -> list[str]:
    lines = []
    if source.bank is not None:
        lines = [f"bank = MetadataBank.load({str(source.bank_file)!r})"]

    def row(picture: str | None) -> str:
        if picture is None or source.bank is None:
            return "torch.zeros(1, generator.config.metadata_dim)"
        return f"bank.rows([bank.names.index({picture!r})], {source.scale!r})"

    lines.append(f"metadata = {row(view.picture)}  # (1, C)")
    if view.picture_mix:
        lines += [
            f"second = {row(view.second_picture)}",
            f"share = {view.picture_mix!r}",
            "metadata = (1 - share) * metadata + share * second",
        ]
    return lines


def _replacement(view: View) -> list[str]:
    how = {
        "ones": ["attention = torch.ones_like(own)"],
        "mean": ["attention = own.mean().expand_as(own)"],
        "shuffled": [
            "order = torch.randperm(own.numel(), generator=torch.Generator().manual_seed(0))",
            "attention = own.flatten()[order].view_as(own)",
        ],
        "painted": _painting(view),
    }
    return [
        f"own = plain.attention[{view.link!r}]  # (1, 1, h, w)",
        *how[view.attention],
        f"given = {{{view.link!r}: attention}}",
        "output = generator(noise, metadata, return_attention=True, attention=given)",
    ]


def _painting(view: View) -> list[str]:
    lines = [
        "painting = torch.tensor([",
        *[f"    {[int(cell) for cell in row]}," for row in view.painting],
        "], dtype=torch.float32)",
    ]
    if not view.painting:
        pool = "torch.nn.functional.adaptive_avg_pool2d"
        lines = [
            f"coarse = {pool}(own, min({PAINTED_SIDE}, own.shape[-1]))[0, 0]",
            "painting = (coarse > coarse.mean()).float()",
        ]
    return [
        *lines,
        "repeats = own.shape[-1] // len(painting)",
        "painting = painting.repeat_interleave(repeats, 0).repeat_interleave(repeats, 1)",
        "attention = painting[None, None]",
    ]


def _drawing(view: View, attention: bool) -> list[str]:
    options = [f"link={view.link!r}"]
    if attention:
        options.append(f"attention=output.attention[{view.link!r}][0, 0]")
        options += [f"colors={view.colors!r}", f"overlay={view.overlay!r}"]
        if view.attention != "own":
            options.append("plain_image=to_uint8(plain.image)[0]")
            options.append(f"plain_gates=plain.gates[{view.link!r}].flatten()")
    return [
        "image = to_uint8(output.image)[0]  # (3, R, R)",
        "figure = view_figure(",
        "    image,",
        f"    output.gates[{view.link!r}].flatten(),",
        *[f"    {option}," for option in options],
        ")",
        "figure",
    ]
