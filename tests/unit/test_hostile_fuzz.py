"""A few hundred made-up images; `make soak` goes on for minutes."""

from fuzzing import check_image, image_files
from hypothesis import HealthCheck, given, settings


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=image_files())
def test_any_file_is_read_or_has_a_reason(tmp_path_factory, content):
    check_image(tmp_path_factory.getbasetemp() / "image.jpg", content)
