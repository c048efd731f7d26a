"""The method: recipe, networks and checkpoints, and their application to blocks of a scene.

======================  =======================================================
recipe, recipes         settings of the method; the recipes that ship
networks                the networks of the method, PyTorch only
components              noise-adjusted components of many bands
scaling, scaling_fit    physical values to network inputs
learning_tiles          random tiles and pixels of scenes without test pixels
run, device, workers    device and number of threads
gpu_memory              blocks that fit into the memory of a GPU
presto_weights          weights of Presto's encoder from a file
presto_scene            its inputs from the channels of a scene
presto_features         its features of a scene
blocks, features        the scene in blocks; inputs of the networks
checkpoint, history     a denoiser or model in one file; checkpoint_file: whether a file may be one
training_values         values of the training scenes
compatibility           whether the bands of a scene fit a checkpoint; matching_dates: bands of other dates
novel_scene             warnings about a scene that is unlike the training scenes
averaging               means over windows that stop at edges
novelty, classifier     distance from the training data; classes of a block; map_layers: layers of a map
alone                   classes of a block where one sensor may be missing
======================  =======================================================
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
