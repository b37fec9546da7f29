from serving.embedded.prometheus import Counter, Histogram, Metric, render


def test_a_counter():
    counter = Counter("asked", "How often.", ["who", "how"])
    for labels in (("b", "x"), ("a", "x"), ("b", "x")):
        counter.add(*labels)
    assert render([counter]) == (
        '# HELP asked How often.\n# TYPE asked counter\nasked{who="a",how="x"} 1.0\nasked{who="b",how="x"} 2.0\n'
    )


def test_a_gauge_holds_the_last_value():
    gauge = Metric("rows", "Rows.", ["who"])
    gauge.set(3, "a")
    gauge.set(2, "a")
    assert render([gauge]) == '# HELP rows Rows.\n# TYPE rows gauge\nrows{who="a"} 2\n'


def test_the_buckets_of_a_histogram_count_smaller_values_too_and_hold_their_limit():
    histogram = Histogram("size", "Sizes.", ["who"], [1, 2.5])
    for value in (0.5, 1, 2, 2.5, 3):
        histogram.observe(value, "a")
    assert list(histogram.samples()) == [
        'size_bucket{who="a",le="1"} 2',
        'size_bucket{who="a",le="2.5"} 4',
        'size_bucket{who="a",le="+Inf"} 5',
        'size_sum{who="a"} 9.0',
        'size_count{who="a"} 5',
    ]


def test_histograms_with_other_labels_are_apart():
    histogram = Histogram("size", "Sizes.", ["who"], [1])
    histogram.observe(1, "a")
    histogram.observe(2, "b")
    assert 'size_bucket{who="a",le="1"} 1' in histogram.samples()
    assert 'size_bucket{who="b",le="1"} 0' in histogram.samples()


def test_labels_are_escaped():
    counter = Counter("asked", "How often.", ["who"])
    counter.add('a"b\\c\nd')
    assert list(counter.samples()) == ['asked{who="a\\"b\\\\c\\nd"} 1.0']


def test_what_has_no_values_is_told_without_any():
    assert render([Counter("asked", "How often.", ["who"])]) == "# HELP asked How often.\n# TYPE asked counter\n"
