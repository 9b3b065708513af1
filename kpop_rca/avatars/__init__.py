"""Rendered portraits of invented people, whose truth is known: who is shown, with which pose, light and flaw."""
