"""Every figure: arrays and tables in, figures out."""
