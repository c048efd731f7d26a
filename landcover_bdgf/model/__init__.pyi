from .alone import AnyClassifier as AnyClassifier, classifier_of as classifier_of
from .averaging import adjacent_difference as adjacent_difference
from .blocks import (
    BLOCK_PX as BLOCK_PX,
    Block as Block,
    BlockStream as BlockStream,
    Piece as Piece,
    read_block as read_block,
)
from .checkpoint import (
    BandName as BandName,
    Checkpoint as Checkpoint,
    Kind as Kind,
    alone_partials as alone_partials,
    band_names as band_names,
    check_alone as check_alone,
    checkpoint_product as checkpoint_product,
    extra_layers as extra_layers,
    load_checkpoint as load_checkpoint,
    partial_path as partial_path,
    remove_partials as remove_partials,
)
from .checkpoint_file import (
    DEFAULT_MODEL as DEFAULT_MODEL,
    check_file as check_file,
    model_path as model_path,
)
from .classifier import (
    Classifier as Classifier,
    pooled as pooled,
    tempered as tempered,
)
from .compatibility import (
    fit_stack as fit_stack,
    match_stack as match_stack,
)
from .device import (
    pieces_of_batch as pieces_of_batch,
    with_weights as with_weights,
)
from .features import Seen as Seen, Viewer as Viewer
from .gpu_memory import GPU_BLOCKS as GPU_BLOCKS, is_out_of_memory as is_out_of_memory
from .history import History as History
from .learning_tiles import random_pixels as random_pixels, random_tiles as random_tiles
from .map_layers import Classified as Classified, LayerPlan as LayerPlan, empty_result as empty_result
from .networks.denoiser import denoiser_network as denoiser_network, feature_channels as feature_channels
from .networks.diffusion import (
    Channels as Channels,
    Schedule as Schedule,
    add_noise as add_noise,
    denoise as denoise,
    denoising_loss as denoising_loss,
    mask_spectral as mask_spectral,
    noise_predictor as noise_predictor,
    velocity as velocity,
)
from .networks.experts import (
    Experts as Experts,
    expert_names as expert_names,
    usual_shares as usual_shares,
)
from .networks.fusion import (
    Inputs as Inputs,
    LossSettings as LossSettings,
    MutualLearning as MutualLearning,
    cross_entropy as cross_entropy,
    total_loss as total_loss,
)
from .networks.group import GroupNetwork as GroupNetwork, group_network as group_network
from .networks.layers import crop as crop, normalise as normalise, project as project
from .networks.literal import Spectrum as Spectrum
from .networks.mamba import MambaBlock as MambaBlock, SpectralMamba as SpectralMamba, initial_steps as initial_steps
from .networks.scan import kernel as kernel, selective_scan as selective_scan
from .novel_scene import FOREIGN_SHARE as FOREIGN_SHARE, warn_of_novel_scene as warn_of_novel_scene
from .novelty import NOVELTY_PREFIX as NOVELTY_PREFIX, fit_novelty as fit_novelty, novelty_folds as novelty_folds
from .presto_features import PrestoFeatures as PrestoFeatures, presto_arrays as presto_arrays
from .recipe import (
    RECIPES as RECIPES,
    FeatureRecipe as FeatureRecipe,
    Recipe as Recipe,
    SpectralRecipe as SpectralRecipe,
    changed as changed,
    load_recipe as load_recipe,
)
from .run import Run as Run, available_threads as available_threads
from .scaling import Scaling as Scaling, scaled_cube as scaled_cube
from .scaling_fit import (
    fit_sar as fit_sar,
    fit_scaling as fit_scaling,
    scaling_of as scaling_of,
    with_scenes as with_scenes,
)
from .training_values import fit_training_values as fit_training_values
from .workers import Workers as Workers, open_mappers as open_mappers, open_workers as open_workers
