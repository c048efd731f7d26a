from .app import Job as Job, run_job as run_job
from .assessment import ReferenceFile as ReferenceFile, assess as assess
from .errors import BdgfError as BdgfError
from .labels import (
    ClassMap as ClassMap,
    JoinedSamples as JoinedSamples,
    LabelledScene as LabelledScene,
    ReferenceSettings as ReferenceSettings,
    Samples as Samples,
    SampleSettings as SampleSettings,
    read_samples as read_samples,
    sample as sample,
    sample_scenes as sample_scenes,
    write_samples as write_samples,
)
from .mapping import (
    MapSettings as MapSettings,
    MosaicSettings as MosaicSettings,
    PolygonSettings as PolygonSettings,
    SceneResult as SceneResult,
    SieveSettings as SieveSettings,
    map_scene as map_scene,
    map_scenes as map_scenes,
    mosaic as mosaic,
    polygons as polygons,
    sieve as sieve,
)
from .model import (
    Checkpoint as Checkpoint,
    Recipe as Recipe,
    Run as Run,
    load_checkpoint as load_checkpoint,
    load_recipe as load_recipe,
)
from .scene import (
    AlignSettings as AlignSettings,
    SceneRow as SceneRow,
    Stack as Stack,
    align as align,
    read_scene_table as read_scene_table,
)
from .survey import (
    Comparison as Comparison,
    Design as Design,
    DesignSettings as DesignSettings,
    SurveyAccuracy as SurveyAccuracy,
    WhereSettings as WhereSettings,
    areas as areas,
    assess_design as assess_design,
    compare as compare,
    design as design,
    where as where,
)
from .training import pretrain as pretrain, train as train
