#!/usr/bin/env python3
"""Reads the TensorBoard event file of a run folder without any code of mrcycle's and holds it against log.csv and the sample
sheets. Framing and checksums as TensorFlow's record_writer.cc has them, messages as event.proto and summary.proto.

    event_file.py RUN"""
import csv
import os
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        length, head = struct.unpack_from('<QI', data, at)
        message = data[at + 12:at + 12 + length]
        assert head == masked(data[at:at + 8]), f'length at {at}'
        assert struct.unpack_from('<I', data, at + 12 + length)[0] == masked(message), f'message at {at}'
        yield message
        at += length + 16


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at, found = 0, {}
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from('<d', data, at)[0], at + 8
        elif key & 7 == 5:
            value, at = struct.unpack_from('<f', data, at)[0], at + 4
        else:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        found[key >> 3] = value
    return found


def main():
    assert crc32c(b'123456789') == 0xE3069283  # the check value of CRC-32C
    run = sys.argv[1]
    with open(os.path.join(run, 'events.out.tfevents.0.mrcycle'), 'rb') as stream:
        events = [fields(message) for message in records(stream.read())]
    assert events[0][3] == b'brain.Event:2', events[0]
    scalars, pictures = {}, []
    for event in events[1:]:
        value = fields(fields(event[5])[1])
        if 2 in value:
            scalars[event[2], value[1].decode()] = value[2]
        else:
            pictures.append(fields(value[4]))
    with open(os.path.join(run, 'log.csv'), newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    for row in rows:
        for name, text in row.items():
            if name in ('epoch', 'step', 'seconds'):
                continue
            tag = name if name == 'images_per_second' else 'loss/' + name
            found = scalars.pop((int(row['step']), tag))
            assert abs(found - float(text)) <= 1e-5 * abs(float(text)) + 1e-7, (row['step'], tag, found, text)
    assert not scalars, sorted(scalars)[:3]
    sheets = sorted(os.listdir(os.path.join(run, 'samples')))
    assert len(pictures) == len(sheets), (len(pictures), sheets)
    for sheet, picture in zip(sheets, pictures):
        with open(os.path.join(run, 'samples', sheet), 'rb') as stream:
            png = stream.read()
        assert picture[4] == png, sheet
        assert struct.unpack('>II', png[16:24]) == (picture[2], picture[1]), sheet
    print(f'event_file: {len(rows)} epochs and {len(sheets)} sheets, all as in log.csv and samples/')


main()
