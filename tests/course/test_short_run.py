"""The training that lessons stop and resume: the lab's own iteration, the same whenever it is."""

from accelerate.state import AcceleratorState

from slae_lib.course.short_run import go_on, new_training
from slae_lib.course.stored import long_run
from slae_lib.training.log import load_samples, read_metrics
from slae_lib.training.run import RunInfo


def test_the_same_seed_makes_the_same_training_in_one_piece_or_in_two() -> None:
    before = dict(AcceleratorState._shared_state)
    whole = go_on(new_training(3), 2)
    training = new_training(3)
    assert go_on(training, 1) + go_on(training, 1) == whole
    assert training.iteration == 2
    assert go_on(new_training(4), 1) != whole[:1]
    assert AcceleratorState._shared_state == before  # a real training may follow


def test_the_long_run_is_finished_and_has_its_log_and_samples() -> None:
    run = long_run()
    settings = RunInfo.load(run).train
    lines = read_metrics(run / "metrics.csv")
    assert lines[-1]["iteration"] == settings.iterations
    assert settings.iterations in load_samples(run, settings.samples)
    assert (run / "generator.safetensors").is_file()
