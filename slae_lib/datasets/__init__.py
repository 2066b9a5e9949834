"""Training images: picture files, sets of them by name or folder, and their metadata.

`pictures` reads one file, `sets` makes an `ImageSet` of a folder or of a name in `registry`,
`fetch` brings a registered set here; `bank` holds the metadata of a set and `store` finds it again.
"""

from slae_lib.datasets.bank import MetadataBank
from slae_lib.datasets.registry import DATA_SETS, DataSetInfo
from slae_lib.datasets.sets import ImageSet, load_images
from slae_lib.datasets.store import bank_for

__all__ = ["DATA_SETS", "DataSetInfo", "ImageSet", "MetadataBank", "bank_for", "load_images"]
