"""The embedded data set: synthetic talking faces with true lip-speech correspondence.

A clip follows from (version, preset, seed, index) alone. On its way through the modules:

    presets, plan, kinds      which clip, of whom, forged how
    espeak, speech            a voice says a sentence; phoneme times
    kokoro                    a neural voice says it again, at the same times
    visemes, motion           the mouth's and the head's movements
    traits, shape, skin, hair, wardrobe, identity      the person
    raster, shading, renderer, scene, take             pictures of the performance
    performance               the forgery, by `data_pipelines.forgeries`
    camera, microphone, codecs, capture                one recording law for every class
    generate, build, export   records, the whole set, or mp4 files

`drawn` is another, much simpler set of cartoon heads for tests.
"""
