"""Photographs as they come: folders of identities, decoding, near-duplicates, where a study's images lie."""
