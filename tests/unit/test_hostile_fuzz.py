"""A few hundred made-up images and tables of images; `make soak` goes on for minutes."""

from fuzzing import check_image, check_table, image_files, tables
from hypothesis import HealthCheck, given, settings


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=image_files())
def test_any_file_is_read_or_has_a_reason(tmp_path_factory, content):
    check_image(tmp_path_factory.getbasetemp() / "image.jpg", content)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=tables())
def test_any_table_is_read_or_has_a_line(tmp_path_factory, content):
    check_table(tmp_path_factory.getbasetemp() / "tables", content)
