from attractor.twins.wires.request_body import DataUrl, is_base64, is_web_url, read_data_url


def test_data_url_names_its_media_type() -> None:
    assert read_data_url("data:image/png;base64,cG5n") == DataUrl("image/png", True)
    assert read_data_url("data:image/png;base64,no") == DataUrl("image/png", False)
    assert read_data_url("data:image/png,cG5n") == DataUrl("image/png", False)
    assert read_data_url("https://x.org/a.png") is None


def test_nothing_is_no_base64_and_only_the_web_is_web_url_from() -> None:
    spoilt = ("", "cG5", "cG 5n", "größe", "cG5n!")
    assert [is_base64(one) for one in ("cG5n", *spoilt)] == [True, *(False for _ in spoilt)]
    assert [is_web_url(one) for one in ("https://x", "http://x", "/x", "gs://x")] == [
        *(True, True),
        *(False, False),
    ]
