"""Names of backbones that are no genotypes: models of keras.applications, and Keras files."""

import difflib

APPLICATIONS = (
    *("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
    *("DenseNet121", "DenseNet169", "DenseNet201"),
    *("EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3"),
    *("EfficientNetB4", "EfficientNetB5", "EfficientNetB6", "EfficientNetB7"),
    *("EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3"),
    *("EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S"),
    *("InceptionResNetV2", "InceptionV3"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small"),
    *("NASNetLarge", "NASNetMobile"),
    *("ResNet101", "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2"),
    *("VGG16", "VGG19", "Xception"),
)
"""Models of keras.applications."""

SUFFIX = ".keras"
"""Of the names of Keras files."""


def is_foreign(name: str) -> bool:
    """Whether a name is that of a Keras model."""
    return name in APPLICATIONS or name.endswith(SUFFIX)


def meant(name: str) -> str | None:
    """The model of keras.applications whose name is nearly this one; None: there is none."""
    known = {application.lower(): application for application in APPLICATIONS}
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.85)
    return known[near[0]] if near else None
