"""Masked generators: a prompt and the tokens kept so far in, an x0 guess and what is masked again out, step by step.

``protocol`` says what a generator is, ``session`` runs one, ``mask_predict`` is one step and ``schedule`` the order of
unmasking, ``chance`` where random numbers come from. Show-o is one of them: ``showo``, ``image_block`` and
``fused_block`` the network, ``sequence`` its input, ``magvit`` the image tokenizer, ``showo_generator`` all of that as
a generator, ``pipeline`` as a diffusers pipeline, ``checkpoint`` its files.
"""
