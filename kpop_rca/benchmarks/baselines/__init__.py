"""The libraries that one would otherwise take, each as its documentation shows it; imported when it is timed."""
