"""The bundled demonstration checkpoint, and all that makes and examines it.

    form.py  a new checkpoint of its form          training/  training on these videos
    world/   procedural videos with questions      exam/      questions about held-out videos

The files of the checkpoint lie beside this code: `--model mini` loads this folder, and its
configuration and vocabulary are those of every model that is made here.
"""
