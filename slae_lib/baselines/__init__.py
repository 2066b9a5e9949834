"""Systems to compare with, written from their papers."""
