"""The course: its thirteen lessons in reading order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """One notebook of the course.

    Attributes:
        number: its place, 0 to 12.
        slug: name of its file without number and suffix.
        title: as in its heading.
        builds: what the student builds, as the end of "You build ...".
        minutes: how long a student needs who knows the basics of PyTorch.
        prerequisites: numbers of the lessons that have to come before it; what those need in
            turn is not repeated.
    """

    number: int
    slug: str
    title: str
    builds: str
    minutes: int
    prerequisites: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the notebook without suffix, such as ``02_spatial_attention``."""
        return f"{self.number:02}_{self.slug}"


LESSONS = (
    Lesson(0, "start_here", "Start here", "nothing yet: a tour, with a trained generator", 15),
    Lesson(1, "few_shot_data", "Few-shot data and augmentation", "DiffAugment", 70, (0,)),
    Lesson(
        2,
        "spatial_attention",
        "Spatial attention",
        "pooling over channels, one convolution, a sigmoid",
        70,
        (0,),
    ),
    Lesson(3, "sle_to_slae", "From SLE to SLAE", "both skip links", 80, (2,)),
    Lesson(4, "generator", "The generator", "its blocks, links and heads", 110, (3,)),
    Lesson(5, "discriminator", "The discriminator", "two branches and the decoders", 100, (4,)),
    Lesson(6, "metadata", "Metadata from VGG-16", "a hook, channel means, a bank", 80, (1,)),
    Lesson(7, "losses", "Losses", "the hinge and the reconstruction", 70, (5,)),
    Lesson(8, "training_loop", "The training loop", "one iteration, then the loop", 120, (6, 7)),
    Lesson(
        9, "full_training", "Full training on a GPU", "nothing: the real run, resumed", 80, (8,)
    ),
    Lesson(
        10, "evaluation", "Evaluation", "the Fréchet distance, back-tracking, novelty", 130, (8,)
    ),
    Lesson(
        11, "ablation_and_cost", "Ablation and cost", "a fair comparison of four models", 100, (10,)
    ),
    Lesson(12, "attention_explorer", "Attention explorer", "nothing: move, and look", 55, (8,)),
)
"""The course in reading order. Figures, notebooks, README and tests all take it from here."""


def lesson(name: str) -> Lesson:
    """Return the lesson whose notebook is called ``name``.

    Raises:
        KeyError: if the course has no such notebook.
    """
    return {lesson.name: lesson for lesson in LESSONS}[name]
