"""``slae export``."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--run", type=click.Path(path_type=Path), required=True, help="Folder of a finished run."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the small copy."
)
@click.option(
    "--precision",
    type=click.Choice(["fp16", "fp32"]),
    default="fp16",
    show_default=True,
    help="Of the stored generator.",
)
@click.option(
    "--onnx",
    is_flag=True,
    help="Also write generator.onnx: noise, metadata, and maps and gates that may be given.",
)
def export(run: Path, out: Path, precision: str, onnx: bool) -> None:
    """Copy a finished run without its checkpoints, small enough to be passed on."""
    from slae_lib.training.export import export_run

    written = export_run(run, out, half=precision == "fp16")
    if onnx:
        from slae_lib.explorer.onnx import export_onnx
        from slae_lib.training.checkpoint import load_generator

        generator = load_generator(out / "generator.safetensors")
        written.append(export_onnx(generator, out / "generator.onnx", half=precision == "fp16"))
    for path in written:
        click.echo(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
