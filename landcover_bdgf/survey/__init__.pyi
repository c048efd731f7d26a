from .assessing import assess_design as assess_design, read_points as read_points
from .class_areas import (
    areas as areas,
    areas_lines as areas_lines,
    areas_product as areas_product,
    areas_values as areas_values,
)
from .comparison import Comparison as Comparison, compare as compare, comparison_product as comparison_product
from .drawing import design as design, design_lines as design_lines, design_values as design_values
from .next_labels import where as where
from .places_file import places_lines as places_lines, places_product as places_product
from .points_file import (
    Design as Design,
    design_product as design_product,
    is_design_file as is_design_file,
    read_design as read_design,
)
from .settings import ClassReading as ClassReading, DesignSettings as DesignSettings, WhereSettings as WhereSettings
from .survey_accuracy import SurveyAccuracy as SurveyAccuracy
from .survey_report import survey_product as survey_product
