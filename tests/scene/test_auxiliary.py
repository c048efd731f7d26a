"""Auxiliary layers are told from bands by the end of their names."""

from __future__ import annotations

from landcover_bdgf.scene import auxiliary


def test_auxiliary_files_are_recognised_by_the_end_of_the_name():
    rtc = "S1A_IW_20200604T054639_RTC10_G_gpuned_5FFF_area"
    for stem in (rtc, "SCL_(Raw)", "T33UUP_SCL_20m", "scene_VV_mask", "viewZenithMean", "QA60", "incidence_angle"):
        assert auxiliary.is_auxiliary(stem), stem
    for stem in ("B02_(Raw)", "study_area_B02", "study_area", "demo_VV", "mask_B8A", "ndvi", "rgbn"):
        assert not auxiliary.is_auxiliary(stem), stem


def test_a_date_may_follow_the_word():
    for name in ("SCL_20200604", "SCL_2020-06-04", "T33UUU_SCL_20200604_20m", "scl"):
        assert auxiliary.is_scene_classification(name), name
    assert auxiliary.is_auxiliary("cloudmask_20200604")
    assert auxiliary.is_picture_file("TCI_20200604T101031")
    assert not auxiliary.is_auxiliary("B02_20200604")
