"""One seed of the study of preferences: its generator, its rewarding oracle, everything random."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from kpop_rca.diffusion.generation import GenerationPlan, Model
from kpop_rca.diffusion.trainer import load_trained
from kpop_rca.diffusion.trainings import training_folder
from kpop_rca.faces import crops, splits
from kpop_rca.image_metrics.no_reference import Reference, mscn_moments
from kpop_rca.oracles import predictions, training
from kpop_rca.oracles.beside_real import OracleBesideReal, validation_oracles
from kpop_rca.oracles.candidates import Candidate, Faces
from kpop_rca.preferences import dpo, trials
from kpop_rca.preferences.scorer import FaceScore
from kpop_rca.study import manifests, paths
from kpop_rca.system import seeds
from kpop_rca.system.files import atomic
from kpop_rca.system.seeds import Purpose

FOLDER = "preferences"
IDENTITY, FACE, PAPER = "identity", "face_score", "paper's scorer"  # rewards
BOTH = "both"  # of the committee and face score
COMMITTEE = "committee"  # of oracles that the study has not got, for identity
MEMBERS = 3  # of it
RANDOM, REAL = "random", "real"  # no reward: random winners; real faces as winners


@dataclass(frozen=True)
class Experiment:
    """One seed of the study.

    Attributes:
        resolved: the study's parameters.
        n_pairs: that each scorer is trained on.
        images: of each identity, that are scored.
        steps: of a tuning.
        base_steps: of the training of the generator that is tuned; 0 for the study's own trainings.
    """

    resolved: dict[str, Any]
    seed: int
    n_pairs: int
    images: int
    steps: int
    device: torch.device
    base_steps: int = 0

    @property
    def size(self) -> str:
        """Of what is measured: only seeds of one size come together."""
        early = f"-{self.base_steps}" if self.base_steps else ""
        return f"{self.n_pairs}-{self.images}-{self.steps}{early}"

    @cached_property
    def folder(self) -> Path:
        return paths.artifacts_folder(self.resolved["study"]) / FOLDER / f"seed-{self.seed}-{self.size}"

    def stage(self, folder: str) -> Path:
        return manifests.folder_of(self.resolved["study"], folder)

    @cached_property
    def n_classes(self) -> int:
        return len(crops.class_names(self.stage("faces")))

    def faces(self, split: str) -> Faces:
        return crops.load_crops(self.stage("faces"), size=self.resolved["image_size"], split=split)

    def plan(self, images: int = 0) -> GenerationPlan:
        """How the study's images were generated, `images` (or those that are scored) of each identity."""
        return trials.plan_of(self.stage("generated"), images_per_identity=images or self.images)

    def trained_for(self, steps: int) -> Model:
        """The training of this seed's number, in fewer steps; trained unless it was."""
        folder = self.folder.parent / f"model-{self.seed}-{steps}"
        how = {"steps": steps, "number": self.seed, "folder": folder, "device": self.device, "bar": tqdm}
        return trials.shorter_training(self.resolved, self.faces("train"), **how)

    @cached_property
    def own_training(self) -> Model:
        """The study's training of this seed's number, or one more by its recipe."""
        if self.seed < self.resolved["trainings"]:
            return load_trained(training_folder(self.stage("ddpm"), self.seed), self.device)
        return self.trained_for(self.resolved["train_steps"])

    @cached_property
    def base(self) -> Model:
        """The generator that is tuned."""
        return self.trained_for(self.base_steps) if self.base_steps else self.own_training

    @cached_property
    def worse(self) -> Model:
        """A generator to guide away from: a quarter of the steps."""
        return self.trained_for(max(2, self.resolved["train_steps"] // 4))

    @cached_property
    def oracles(self) -> dict[str, list[training.SmallImageResNet]]:
        return trials.oracles_by_kind(self.stage("oracle"), rewarding=self.rewarding, device=self.device)

    @cached_property
    def _all_faces(self) -> dict[str, Faces]:
        return {split: self.faces(split) for split in splits.SPLITS[:4]}

    @cached_property
    def committee(self) -> list[training.SmallImageResNet]:
        """Oracles that reward and do nothing else, the same ones whatever the seed; trained unless they were."""
        first, faces = self.resolved["oracle_seeds"] + 1, self._all_faces  # that number itself chooses, see below
        split, kinds = "oracle" if len(faces["oracle"][1]) else "train", self.resolved["architectures"]
        planned = [Candidate(kinds[number % len(kinds)], number, split) for number in range(first, first + MEMBERS)]
        folder, recipe = self.folder.parent / "oracles", training.OracleRecipe.of(self.resolved)
        training.train_all(planned, faces, recipe=recipe, folder=folder, device=self.device, bar=tqdm)
        return [training.load_oracle(folder / one.name, self.device) for one in planned]

    @cached_property
    def choosing(self) -> list[OracleBesideReal]:
        """Oracles that choose a recipe and do nothing else, beside the validation faces."""
        folder = self.folder.parent / "oracles"
        return validation_oracles(self.resolved, self._all_faces, folder=folder, device=self.device)

    @cached_property
    def rewarding(self) -> str:
        table = predictions.trained(self.stage("oracle"))
        own = table.loc[table["eligible"] & (table["architecture"] == self.resolved["architectures"][0]), "oracle"]
        return own.iloc[self.seed % len(own)]

    @cached_property
    def material(self) -> trials.Material:
        found = trials.material_of(
            {name: self.stage(name) for name in ("audit", "faces", "ddpm", "oracle", "generated")},
            training_number=self.seed % self.resolved["trainings"],
            oracle=self.rewarding,
            n_pairs=self.n_pairs,
            seed=self.seed,
            device=self.device,
        )
        return replace(found, model=self.own_training)

    @cached_property
    def parts(self) -> dict[str, training.SmallImageResNet]:
        """The scorers in the face score."""
        return trials.trained_scorers(self.material, trials.training_pairs(self.material, trials.IN_FACE_SCORE))

    @cached_property
    def face_score(self) -> FaceScore:
        return trials.face_score(self.material, self.parts)

    @cached_property
    def held_out_material(self) -> trials.Material:
        """The same with another seed and another oracle, for scorers that no tuning has seen."""
        other = {"oracle": self.oracles["held out"][0], "seed": seeds.number(Purpose.SCORER, self.seed, 2)}
        return replace(self.material, **other)

    @cached_property
    def observers(self) -> trials.Observers:
        """Who rewards identity, and who looks at identity and quality."""
        own, held_out = ({IDENTITY: dpo.identity_reward(self.oracles[kind][0])} for kind in ("rewarding", "held out"))
        own[COMMITTEE] = dpo.committee_reward(self.committee)
        held_out[COMMITTEE] = dpo.committee_reward(self.oracles["held out"])
        texture = Reference.of(mscn_moments(self.material.faces[trials.TRAINING][0]))
        answers = trials.answers_by_kind(self.stage("oracle"), rewarding=self.rewarding)
        return trials.Observers(own, held_out, self.oracles, self.faces("test"), texture, self.faces("train"), answers)

    @cached_property
    def all_observers(self) -> trials.Observers:
        """The same with the face score and the paper's scorer, which have to be trained first."""
        other = self.held_out_material
        others = trials.trained_scorers(other, trials.training_pairs(other, trials.IN_FACE_SCORE))
        own = _face_rewards(self.face_score, self.parts)
        held_out = _face_rewards(trials.face_score(other, others), others)
        seen = self.observers
        return replace(seen, own=seen.own | own, held_out=seen.held_out | held_out)

    def observers_of(self, reward: str) -> trials.Observers:
        """Those who know a reward."""
        return self.all_observers if reward in (FACE, PAPER, BOTH) else self.observers

    def rewarded(self, reward: str) -> dpo.Reward:
        own = self.observers_of(reward).own
        return dpo.summed_reward(own[COMMITTEE], own[FACE]) if reward == BOTH else own[reward]

    def kept(self, name: str, make: Callable[[], Faces]) -> Faces:
        """Images and requested identities by their name, made unless they were."""
        path = self.folder / "images" / f"{as_file(name)}.npz"
        if not path.is_file():
            images, labels = make()
            with atomic(path) as temporary:
                np.savez_compressed(temporary, images=images, labels=labels)
        with np.load(path, allow_pickle=False) as found:
            return found["images"], found["labels"]

    def sampled(self, model: Model, plan: GenerationPlan) -> Faces:
        return trials.sampled(model, plan, n_classes=self.n_classes)

    @property
    def base_images(self) -> Faces:
        """Of the generator that is tuned, with the noise that every tuned one starts from."""
        return self.kept("base", lambda: self.sampled(self.base, self.plan()))

    def candidates(self, times: int = 1) -> Faces:
        """Of the same, so many times as many, with other noise, for preference pairs."""
        name = "candidates" if times == 1 else f"candidates {times}"
        return self.kept(name, lambda: self.other_images(self.base, times))

    def other_images(self, model: Model, times: int = 1, *, number: int = 1) -> Faces:
        """Of a generator, so many times as many as are scored, with noise that nothing is scored with."""
        return self.sampled(model, trials.other_noise(self.plan(times * self.images), number))


def as_file(name: str) -> str:
    """A name as that of a file.

    >>> as_file("paper's scorer, all weights")
    'papers_scorer-all_weights'
    """
    return name.replace("'", "").replace(", ", "-").replace(" ", "_")


def _face_rewards(face_score: FaceScore, parts: dict[str, training.SmallImageResNet]) -> dict[str, dpo.Reward]:
    return {FACE: dpo.face_reward(face_score), PAPER: dpo.face_reward(trials.as_scorers(parts)[trials.PAPER])}
