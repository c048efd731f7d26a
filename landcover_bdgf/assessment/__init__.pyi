from .borders import border_bins as border_bins
from .distances import accuracy_by_border as accuracy_by_border, accuracy_by_distance as accuracy_by_distance
from .figures import (
    FAINT as FAINT,
    INK as INK,
    as_svg as as_svg,
    new_figure as new_figure,
    reliability_picture as reliability_picture,
    style_axes as style_axes,
)
from .intervals import paired_gain as paired_gain
from .measures import (
    Accuracy as Accuracy,
    accuracy as accuracy,
    summary_lines as summary_lines,
)
from .pages import (
    html_page as html_page,
    points_text as points_text,
)
from .pictures import colour_bands as colour_bands
from .provenance import MAPPED_BY as MAPPED_BY, map_record as map_record
from .reference import ReferenceFile as ReferenceFile, training_pixels as training_pixels
from .reliability import (
    BINS as BINS,
    ReliabilityBin as ReliabilityBin,
    calibration_error as calibration_error,
    reliability_bins as reliability_bins,
)
from .report import (
    assess as assess,
    is_report_of as is_report_of,
    report_product as report_product,
)
from .report_page import (
    Expert as Expert,
    ReportContext as ReportContext,
)
from .tables import write_table as write_table
