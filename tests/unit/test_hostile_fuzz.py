"""A few hundred made-up pictures; `make soak` goes on for minutes."""

from fuzzing import check_picture, pictures
from hypothesis import HealthCheck, given, settings


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=pictures())
def test_any_file_is_read_or_has_a_reason(tmp_path_factory, content):
    check_picture(tmp_path_factory.getbasetemp() / "picture.jpg", content)
