"""Training: one iteration (`step`), the loop around it (`loop`), and the folder it leaves (`run`).

`config` and `presets` say what is trained and how, `families` which networks there are;
`checkpoint`, `log` and `export` are the run's files, and `sampling` draws from what was learned.
"""
