"""A face network as an oracle on crops, with a network that tells faces by their mean colour."""

import numpy as np
import pytest
from known_oracle import avatars

from kpop_rca.oracles import centroids
from kpop_rca.oracles.embeddings import Embedding


class MeanColour(Embedding):
    def chip(self, image, box, landmarks):
        x0, y0, x1, y1 = np.rint(box).astype(int)
        assert (x1 - x0, y1 - y0) == (128, 128)  # of 192: the crop's side is that of the box and half as much again
        return np.asarray(image.crop((x0, y0, x1, y1)).resize((self.size, self.size)))

    def _embedded(self, chip):
        return chip.mean(axis=(0, 1))


def test_crops_are_told_apart_by_the_nearest_mean_embedding():
    images, labels = avatars(60)
    predict = centroids.nearest_centroid(MeanColour("mean", 3, 12, ""), images[:30], labels[:30], margin=0.25)
    assert np.array_equal(predict(images[30:]), labels[30:])
    assert predict(images[30:][::-1]).tolist() == labels[30:][::-1].tolist()


def test_embeddings_have_length_one():
    images, _ = avatars(5)
    found = centroids.embed_crops(MeanColour("mean", 3, 12, ""), images, margin=0.25)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
