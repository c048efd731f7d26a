from .class_map import (
    NODATA as NODATA,
    ClassMap as ClassMap,
    changed_map_files as changed_map_files,
    class_map_product as class_map_product,
    codes_picture as codes_picture,
    legend_of_map as legend_of_map,
    legend_of_raster as legend_of_raster,
    read_class_map as read_class_map,
)
from .class_pixels import class_sizes as class_sizes
from .class_raster import (
    STRIP_ROWS as STRIP_ROWS,
    ClassRaster as ClassRaster,
    Codes as Codes,
    codes_of as codes_of,
    named_values as named_values,
    open_classes as open_classes,
    strips as strips,
)
from .colors import Color as Color
from .fields import check_field as check_field, field_values as field_values, missing_field as missing_field
from .foreign_map import as_map as as_map
from .joined_samples import (
    JoinedSamples as JoinedSamples,
    join_samples as join_samples,
    same_places as same_places,
    samples_lines as samples_lines,
)
from .label_source import LabelSource as LabelSource, source_name as source_name
from .layers import (
    HUNDREDTHS as HUNDREDTHS,
    LAYER_NODATA as LAYER_NODATA,
    LAYERS as LAYERS,
    Layer as Layer,
    layer_files as layer_files,
    layer_nodata as layer_nodata,
    layer_path as layer_path,
    layer_profile as layer_profile,
    layer_scale as layer_scale,
    layer_style as layer_style,
)
from .left_out import LeftOut as LeftOut
from .legend import MAX_CLASSES as MAX_CLASSES, Legend as Legend, LegendEntry as LegendEntry, code_dtype as code_dtype
from .map_edges import EDGE_PX as EDGE_PX, edge_share as edge_share
from .prediction_sets import PredictionSets as PredictionSets
from .qgis_form import (
    add_choices as add_choices,
    add_widget as add_widget,
    style_text as style_text,
    xml_value as xml_value,
)
from .rasterize import Labels as Labels, label_text as label_text, read_labels as read_labels, texts as texts
from .regrouping import (
    Regrouped as Regrouped,
    class_code as class_code,
    regrouped as regrouped,
    tell_missing as tell_missing,
)
from .sample_file import (
    is_samples_file as is_samples_file,
    read_samples as read_samples,
    samples_product as samples_product,
    write_samples as write_samples,
)
from .samples import TEST as TEST, TRAIN as TRAIN, Samples as Samples, Split as Split
from .sampling import (
    LabelledScene as LabelledScene,
    label_tiles as label_tiles,
    sample as sample,
    sample_scenes as sample_scenes,
    without_empty as without_empty,
)
from .settings import (
    CLEAR_PX as CLEAR_PX,
    FOLDS as FOLDS,
    ClassSettings as ClassSettings,
    ReadSettings as ReadSettings,
    ReferenceSettings as ReferenceSettings,
    SampleSettings as SampleSettings,
)
from .split import (
    distances_px as distances_px,
    draw_per_class as draw_per_class,
    scene_distances_px as scene_distances_px,
)
from .symbology import (
    companion_paths as companion_paths,
    polygon_style as polygon_style,
    write_companions as write_companions,
    write_style as write_style,
)
