"""``slae export``."""

from pathlib import Path

import click

from slae_lib.cli.options import choice, path


@click.command()
@path("--run", "Folder of a finished run.", required=True)
@path("--out", "Folder for the small copy.", required=True)
@choice("--precision", "fp16", ["fp16", "fp32"], "Of the stored generator.")
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
    for file in written:
        click.echo(f"{file}  {file.stat().st_size / 1e6:.2f} MB")
