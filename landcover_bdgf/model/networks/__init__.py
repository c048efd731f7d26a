"""The networks of BDGF, torch only: no file, no coordinate system, no command line ever enters.

In the order of the method: :mod:`unet` (the denoiser), :mod:`diffusion` (noise, masks, loss, one-step
features), :mod:`cnn`, :mod:`transformer` and :mod:`mamba` (one branch each, :mod:`scan` below the last),
:mod:`fusion` (the three together, and their mutual learning), :mod:`context` (beside them: what lies
farther round a pixel).

The sharing rule. A map needs a window round *every* pixel. Each layer here is therefore computable
once per pixel and shared by all windows that hold the pixel: a network maps an array of
``height × width`` pixels to ``(height − 8) × (width − 8)`` results, one for each complete 9 × 9 window in
it, and a single window is the case ``9 × 9 → 1 × 1``. The same code trains on windows and maps tiles.
"""
