"""The networks of BDGF. They use PyTorch only: no files, coordinate systems or command line.

In the order of the method: :mod:`unet` (the denoiser), :mod:`diffusion` (noise, masks, loss, one-step
features), :mod:`cnn`, :mod:`transformer` and :mod:`mamba` (one branch each; the last uses :mod:`scan`),
:mod:`fusion` (all branches and their mutual learning), :mod:`literal` (the branches as the paper prints them),
:mod:`group` (either, applied to tiles), :mod:`context` (the wider surroundings of a pixel), :mod:`experts` (all that
classify a pixel), :mod:`unet2d` (the small denoiser) and :mod:`presto` (features learned elsewhere). They share
:mod:`layers`, :mod:`perceptron` and :mod:`conv`.

The sharing rule: a map needs a window around *every* pixel, so each layer is computed once per pixel and shared by all
windows that contain it. A network maps an array of ``height × width`` pixels to ``(height − 8) × (width − 8)`` results,
one for each complete 9 × 9 window; a single window is the case ``9 × 9 → 1 × 1``. The same code trains on windows and
maps tiles. :mod:`literal` is the exception: it takes single windows only.
"""
