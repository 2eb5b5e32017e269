from types import MappingProxyType

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.change import Edit, FieldDiff
from reconciler.plan.fields import field_diff, plain, same

numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from([0, 1, 0.0, 1.0, 0.5])
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(values, values)
def test_values_are_the_same_exactly_when_their_canonical_forms_are(one, other):
    assert same(one, other) == (rfc8785.dumps(one) == rfc8785.dumps(other))


@given(objects, objects)
def test_a_difference_is_reported_exactly_when_there_is_one(one, other):
    assert bool(list(field_diff(one, other))) != same(one, other)


@given(objects, objects)
def test_the_order_of_keys_changes_nothing(one, other):
    turned = dict(reversed(one.items()))
    assert list(field_diff(one, other)) == list(field_diff(turned, other))


def test_one_and_true_differ_although_python_says_they_are_equal():
    assert list(field_diff({"a": 1}, {"a": True})) == [FieldDiff("a", 1, True, Edit.CHANGE)]


def test_an_added_null_is_told_from_an_absent_field():
    assert list(field_diff({}, {"a": None})) == [FieldDiff("a", None, None, Edit.ADD)]


def test_objects_are_entered_and_lists_are_one_value():
    before = {"pricing": {"model": "per-request", "satoshis": 5}, "tags": ["a", "b"]}
    after = {"pricing": {"model": "per-request", "satoshis": 6}, "tags": ["b"]}
    assert list(field_diff(before, after)) == [
        FieldDiff("pricing.satoshis", 5, 6, Edit.CHANGE),
        FieldDiff("tags", ["a", "b"], ["b"], Edit.CHANGE),
    ]


def test_a_key_that_a_dotted_path_cannot_carry_is_quoted():
    assert [field.path for field in field_diff({}, {"a.b": 1})] == ['["a.b"]']


def test_plain_turns_every_mapping_and_sequence_into_dict_and_list():
    assert plain(MappingProxyType({"a": (1, "x", MappingProxyType({}))})) == {"a": [1, "x", {}]}
