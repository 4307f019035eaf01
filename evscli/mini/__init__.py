"""The bundled demonstration checkpoint, and all that makes and examines it.

    form.py        what the checkpoint is made of     world/     procedural videos with questions
    vocabulary.py  the words it understands           training/  how it learns from them
                                                      exam/      questions about held-out videos

The files of the checkpoint lie beside this code: this folder is the one that `--model mini` loads.
"""
