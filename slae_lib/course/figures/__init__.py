"""Figures of the lessons: ``lesson_NN`` of one, ``shared`` of several, ``diagram`` their parts."""
