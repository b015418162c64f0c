"""A running house: businesses with their voice, knowledge and tools; shared models; calls over WebRTC or a file.

`house.open_house` puts it together from business files; `calls.Calls` makes calls for the HTTP interface and for tests.
"""
