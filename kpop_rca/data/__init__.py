"""Where photographs come from: folders of identities, drawn idols, Labeled Faces in the Wild."""
