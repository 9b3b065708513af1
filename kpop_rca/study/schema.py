"""The parameters of a study: type and range of each.

All are optional here: which of them a study has, its notebooks decide. How they are read is in `kpop_rca.study.params`.
"""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 1_000_000_000  # of any number of things; what is larger is a slip
Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Flag = Literal[
    "no_face",
    "several_faces",
    "non_facial",
    "small_face",
    "extreme_pose",
    "identity_mismatch",
    "near_duplicate",
    "cross_identity_duplicate",
]
HandLabel = Literal["contextual_artifact", "hard_case", "wrong_person", "not_a_face", "fine"]
Architecture = Literal["resnet10", "resnet18", "resnet34", "resnet50"]
STUDY_NAME = r"^[a-z0-9][a-z0-9_.=-]{0,63}$"
Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,4000}$", description="a path without control characters")]
ORACLE_NAME = rf"^(best|({'|'.join(get_args(Architecture))})(-\d(-seen)?)?)$"


class Parameters(BaseModel):
    """What pydantic holds the values of a study to."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    study: Annotated[str, Field(pattern=STUDY_NAME)] = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = None
    device: Literal["auto", "cpu", "cuda", "mps"] = None

    data_source: Literal["idols", "folder", "lfw"] = None
    data_root: Place = None
    n_identities: Count = None
    max_per_identity: Count = None
    min_per_identity: Count = None
    exclude_identities: list[Annotated[str, Field(min_length=1)]] = None
    idols_train_per_identity: Positive = None
    idols_test_per_identity: Positive = None
    idols_hard_per_identity: Count = None
    idols_group_per_identity: Count = None
    idols_size: Annotated[int, Field(ge=96, le=512)] = None
    idols_alikeness: Rate = None
    idols_artifact_rate: Rate = None
    idols_hard_rate: Rate = None
    idols_group_rate: Rate = None
    idols_nonface_rate: Rate = None
    idols_burst_rate: Rate = None
    idols_first_times: Annotated[int, Field(ge=1, le=20)] = None
    idols_first_stands_out: Rate = None
    min_face_size: Annotated[int, Field(ge=12, le=200)] = None
    detector_batch_size: Positive = None
    max_side: Annotated[int, Field(ge=96, le=LARGEST)] = None
    min_probability: Rate = None
    min_face_width: Positive = None
    max_mismatch_score: Rate = None
    hand_labels: Place = None
    publish_images: bool = None

    image_size: Literal[16, 32, 64] = None
    face_sizes: Annotated[list[Literal[16, 32, 64]], Field(min_length=1)] = None
    crop_margin: Annotated[float, Field(ge=0, le=1)] = None
    exclude_flags: list[Flag] = None
    exclude_hand_labels: list[HandLabel] = None
    oracle_fraction: Annotated[float, Field(ge=0, lt=1)] = None
    validation_fraction: Fraction = None
    test_fraction: Fraction = None

    channels: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=2, max_length=5)] = None
    layers_per_block: Annotated[int, Field(ge=1, le=4)] = None
    attention_size: Literal[0, 4, 8, 16, 32] = None
    stem: Literal["pixels", "space_to_depth"] = None
    noise_schedule: Literal["linear", "squaredcos_cap_v2"] = None
    prediction: Literal["eps", "v", "flow"] = None
    timestep_sampling: Literal["uniform", "logit_normal"] = None
    optimizer: Literal["adamw", "muon"] = None
    muon_learning_rate: Annotated[float, Field(gt=0, le=1)] = None
    trainings: Annotated[int, Field(ge=1, le=100)] = None
    train_steps: Positive = None
    batch_size: Positive = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = None
    learning_rate_schedule: Literal["constant", "cosine"] = None
    label_dropout: Annotated[float, Field(ge=0, lt=1)] = None
    ema_half_life: Positive = None
    ema_ramp_up: Rate = None
    gradient_clip: Annotated[float, Field(ge=0)] = None
    weight_decay: Rate = None
    flip: bool = None
    mixed_precision: Literal["no", "fp16", "bf16"] = None
    checkpoint_minutes: Annotated[float, Field(gt=0)] = None
    sample_grids: Annotated[int, Field(ge=1, le=20)] = None
    weights: Place = None

    architectures: Annotated[list[Architecture], Field(min_length=1)] = None
    oracle_seeds: Annotated[int, Field(ge=1, le=10)] = None
    seen_oracles: list[Architecture] = None
    oracle_loss: Literal["softmax", "arcface"] = None
    oracle_width: Annotated[int, Field(ge=8, le=64)] = None  # of 4, torch 2.14 writes past its memory on AVX2
    oracle_warmup_epochs: Count = None
    oracle_epochs: Positive = None
    oracle_batch_size: Annotated[int, Field(ge=2, le=LARGEST)] = None  # batch normalisation: one has no variance
    oracle_learning_rate: Annotated[float, Field(gt=0, le=1)] = None
    oracle_weight_decay: Rate = None
    oracle_colour_jitter: Annotated[float, Field(ge=0, le=0.5)] = None
    pretrained: bool = None

    sampler: Literal["ddpm", "ddim", "dpmpp"] = None
    sampling_steps: Annotated[int, Field(ge=1, le=1000)] = None
    guidance: Annotated[float, Field(ge=0, le=20)] = None
    guidance_interval: Annotated[list[Rate], Field(min_length=2, max_length=2)] = None
    images_per_identity: Annotated[int, Field(ge=2, le=LARGEST)] = None  # a pair, of which the diversity is measured
    sampling_batch_size: Positive = None

    headline_oracle: Annotated[
        str, Field(pattern=ORACLE_NAME, description="best, an architecture (resnet18) or an oracle (resnet18-0)")
    ] = None
    look_alike_groups: str = None
    panel: Literal["core", "full"] = None
    lpips_pairs: Positive = None
    bootstrap_replicates: Annotated[int, Field(ge=200, le=100_000)] = None

    mixture_draws: Positive = None
    mixture_images: Positive = None
    assumption_draws: Positive = None
    morph_images: Positive = None
    mixture_replicates: Annotated[int, Field(ge=100, le=10_000)] = None
    blur_sigmas: Annotated[list[Annotated[float, Field(ge=0, le=10)]], Field(min_length=2)] = None

    cascade_channels: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=2, max_length=5)] = None
    cascade_steps: Positive = None
    cascade_batch_size: Positive = None
    cascade_sampler: Literal["ddpm", "ddim", "dpmpp"] = None
    cascade_sampling_steps: Annotated[int, Field(ge=1, le=1000)] = None
    cascade_guidance: Annotated[float, Field(ge=0, le=20)] = None
    cascade_levels: Annotated[list[Annotated[float, Field(ge=0, le=0.6)]], Field(min_length=2)] = None
    cascade_images: Positive = None
    cascade_oracle: Architecture = None
    cascade_oracle_epochs: Positive = None
    cascade_gallery: Positive = None

    preference_pairs: Annotated[int, Field(ge=12, le=LARGEST)] = None  # two of each third, and of each half
    preference_images: Annotated[int, Field(ge=4, le=LARGEST)] = None
    preference_steps: Positive = None

    sweep_seeds: Annotated[int, Field(ge=0, le=50)] = None
    sweep_sizes: list[Literal[16, 32, 64]] = None
    sweep_longer: list[Literal[16, 32, 64]] = None
    sweep_alikeness: list[Rate] = None
    sweep_labels: list[Literal["clean", "as-found", "excluded"]] = None
    sweep_dominance: list[Literal["equal", "more-pictures", "distinct-face"]] = None
    sweep_guidance: list[Annotated[float, Field(ge=0, le=20)]] = None
    sweep_samplers: list[Annotated[str, Field(pattern=r"^(ddim|ddpm|dpmpp)-[1-9]\d{0,3}$")]] = None
    sweep_jitter: list[Annotated[float, Field(ge=0, le=0.5)]] = None
    equivalence_margin: Fraction = None
    runs_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None

    ratings_folder: Place = None
    comparisons_folder: Place = None
    photographs_folder: Place = None
    rater_groups: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,4000}$")] = None
    iqa_networks_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None
    iqa_splits: Annotated[int, Field(ge=0, le=100)] = None
    iqa_epochs: Positive = None
    iqa_dimensions: Annotated[list[Literal["quality", "authenticity", "id_fidelity"]], Field(min_length=1)] = None
    rated_images: Annotated[int, Field(ge=30, le=2_000)] = None
    least_ratings: Annotated[int, Field(ge=2, le=1_000)] = None
    simulated_raters: Annotated[int, Field(ge=4, le=1_000)] = None
    simulated_spammers: Count = None
    rating_simulations: Annotated[int, Field(ge=2, le=10_000)] = None
    rating_replicates: Annotated[int, Field(ge=50, le=10_000)] = None

    real_folder: Place = None
    generated_folders: list[Annotated[str, Field(pattern=r"^[^=]+=.+$", description="name=folder")]] = None
    score_oracles: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] = None
    score_size: Annotated[int, Field(ge=0, le=1024)] = None
    anonymise: bool = None

    benchmarks_of: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = None
    bench_repeats: Annotated[int, Field(ge=0, le=100)] = None
    bench_train_steps: Positive = None
    bench_faces: Annotated[int, Field(ge=100)] = None
    bench_avatars: Annotated[int, Field(ge=10)] = None
    bench_samples: Positive = None
    bench_sampling_batch_size: Positive = None
    bench_ddim_steps: Annotated[int, Field(ge=1, le=1000)] = None
    bench_ddpm_steps: Annotated[int, Field(ge=1, le=1000)] = None
    bench_features: Annotated[int, Field(ge=12)] = None
    bench_feature_length: Annotated[int, Field(ge=2)] = None
    bench_pairs: Positive = None
    bench_workers: Positive = None
    bench_scales: list[Positive] = None
    bench_classes: list[Positive] = None
    bench_sides: list[Literal[16, 32, 64]] = None
    bench_processes: list[Positive] = None
    record_seeds: Annotated[int, Field(ge=1, le=100)] = None
    record_steps: Annotated[list[Positive], Field(min_length=1)] = None
    record_learning_rates: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = None
    record_guidances: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] = None
    record_cap_seconds: Annotated[float, Field(gt=0)] = None
    record_tuning_seconds: Annotated[float, Field(gt=0)] = None
