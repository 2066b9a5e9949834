"""How nbgrader makes the students' edition: the place of a solution says what to do.

nbgrader reads this file from the folder of a course. Its own stub raises NotImplementedError,
and the check below an exercise could then not explain what is missing.
"""

# nbgrader provides get_config.
c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE"}
