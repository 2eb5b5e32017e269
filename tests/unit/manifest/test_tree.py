"""Tables that know where their keys were written."""

from __future__ import annotations

from reconciler.manifest.tree import START, Table, place


class Compared(str):
    """Text that counts how often it is compared."""

    __slots__ = ()
    count = 0

    def __eq__(self, other):
        Compared.count += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def table_of(keys):
    table = Table(START)
    for number, key in enumerate(keys):
        table[key] = "value"
        table.places += [place(number, 2), place(number, 9)]
    return table


def test_a_key_and_its_value_are_found_where_they_were_written():
    table = table_of(["first", "second"])
    assert table.value_place("second") == place(1, 9)

    table["third"] = "value"
    table.places += [place(2, 2), place(2, 9)]

    assert [table.key_place(key) for key in table] == [place(line, 2) for line in range(3)]


def test_each_of_many_faults_in_one_table_is_found_without_a_search():
    keys = [f"key{number}" for number in range(2_000)]
    table = table_of(map(Compared, keys))
    Compared.count = 0

    assert [table.key_place(key) for key in keys] == [place(line, 2) for line in range(2_000)]
    assert Compared.count < 20_000
