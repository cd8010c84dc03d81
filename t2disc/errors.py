"""Every error t2disc raises on purpose, with its code, in one tree.

Catch :class:`T2DiscError` to catch them all; compare ``error.code`` (a stable string) rather than the text. Each
error says what was found, what was expected and what to do; ``where`` names the visit (its study key), never a
path or a header value of a patient.

::

    T2DiscError
    ├── InputError                      what the hospital sent cannot be used
    │   ├── ScanError                   no-images · folder-unreadable · dicom-unreadable · image-too-large
    │   │                               deflate-bomb · nifti-unreadable · sidecar-invalid
    │   ├── SeriesError                 no-multi-echo-series · several-multi-echo-series · series-not-found
    │   │                               two-patients · two-visits · duplicate-conflict
    │   │                               gradient-echo · sequence-unknown
    │   ├── EchoError                   echo-time-missing · echo-time-not-a-number · echo-time-not-positive
    │   │                               echo-times-all-equal · echo-time-repeated · echo-missing · echo-doubled
    │   │                               echo-numbers-contradict
    │   ├── GeometryError               slice-missing · slice-doubled · slice-spacing-uneven · slices-sheared
    │   │                               two-orientations · geometry-missing
    │   ├── PixelError                  pixels-lossy · pixels-truncated · pixels-undecodable · pixels-unsupported
    │   │                               rescale-unequal · grid-mismatch
    │   ├── LabelError                  labels-unreadable · labels-unnamed · labels-level-unknown · labels-repeated
    │   │                               labels-outside-image · labels-out-of-order · labels-missing
    │   │                               labels-scheme-unknown · labels-without-outlines · labels-mirrored
    │   ├── FitError                    noise-unknown · train-unsuited
    │   └── MatchError                  no-common-level · orientation-differs · quantity-differs
    │                                   levels-slipped · visits-unalike · same-images
    ├── StudyError                      study-not-found · no-visits · layout-unclear · name-collision
    │                                   participants-invalid · visit-order-unknown · retest-visit-unknown
    │                               pseudonym-key-missing
    ├── UsageError                      protocol-invalid · model-unknown · argument-invalid · study-locked
    ├── InstallError                    weights-damaged
    ├── StoreError                      disk-full · permission-denied · output-busy · write-failed · stdout-unwritable
    │                                   outputs-damaged · ratings-damaged · reading-set-damaged
    │                                   audit-damaged · records-outdated
    ├── ChildError                      child-crashed · out-of-memory · time-limit
    ├── ExecutorError                   dask-missing · scheduler-unreachable · worker-unsuited
    └── InternalError                   internal-error
"""

from __future__ import annotations

from typing import ClassVar


class T2DiscError(Exception):
    """Root of the tree: a refusal that names what was found, what was expected and what to do.

    Parameters
    ----------
    found
        What the data or the call holds, in numbers and units, free of header text.
    expected
        What would have been accepted; the class's own sentence when left out.
    todo
        The next step for the reader; the class's own sentence when left out.
    where
        Study key of the visit (``sub-01/ses-baseline``) when it is known.
    """

    code: ClassVar[str] = "t2disc-error"
    expected: str = ""
    todo: str = ""

    def __init__(self, found: str, *, expected: str = "", todo: str = "", where: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected or type(self).expected
        self.todo = todo or type(self).todo
        self.where = where

    def at(self, where: str) -> T2DiscError:
        """Name the visit this error belongs to, unless it is named already, and return the error."""
        self.where = self.where or where
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every part when an error crosses from a worker process."""
        return _rebuild, (type(self), self.found, self.expected, self.todo, self.where)

    def __str__(self) -> str:
        parts = [f"[{self.code}]"]
        if self.where:
            parts.append(f"{self.where}:")
        parts.append(f"found {self.found}")
        if self.expected:
            parts.append(f"- expected {self.expected}")
        if self.todo:
            parts.append(f"- {self.todo}")
        return " ".join(parts)


def _rebuild(kind: type[T2DiscError], found: str, expected: str, todo: str, where: str) -> T2DiscError:
    return kind(found, expected=expected, todo=todo, where=where)


# ------------------------------------------------------------------------------------------------ input
class InputError(T2DiscError):
    """What was sent cannot be used for T2."""

    code = "input-error"


class ScanError(InputError):
    """The folder or one of its files cannot be read."""

    code = "scan-error"


class NoImages(ScanError):
    code = "no-images"
    expected = "multi-echo DICOM files, or BIDS files named *_echo-<N>_MESE.nii.gz with their JSON sidecars"
    todo = "check that the folder holds the visit's export, and export it again if its files are empty"


class FolderUnreadable(ScanError):
    code = "folder-unreadable"
    expected = "folders that may be listed"
    todo = "give the account that runs t2disc the right to read them"


class DicomUnreadable(ScanError):
    code = "dicom-unreadable"
    expected = "complete DICOM files"
    todo = "copy or export the visit again; the file may be cut short"


class ImageTooLarge(ScanError):
    code = "image-too-large"
    expected = "a matrix and a stack that a scanner can produce"
    todo = "export the visit again; the header is damaged or is not that of a multi-echo series"


class DeflateBomb(ScanError):
    code = "deflate-bomb"
    expected = "compressed data that expand to the size their own header states"
    todo = "do not trust this file; ask the sender for an uncompressed export"


class NiftiUnreadable(ScanError):
    code = "nifti-unreadable"
    expected = "a whole NIfTI file whose gzip check sum is right"
    todo = "copy or convert the file again"


class SidecarInvalid(ScanError):
    code = "sidecar-invalid"
    expected = "a JSON sidecar beside each echo or inherited from a folder above, with EchoTime in seconds"
    todo = "convert the visit again with dcm2niix -b y, or add the sidecar"


class SeriesError(InputError):
    """No single multi-echo spin-echo magnitude series can be told apart."""

    code = "series-error"


class NoMultiEchoSeries(SeriesError):
    code = "no-multi-echo-series"
    expected = "one magnitude series with at least two echo times"
    todo = "ask the site for the multi-echo spin-echo series of this visit"


class SeveralMultiEchoSeries(SeriesError):
    code = "several-multi-echo-series"
    expected = "one multi-echo magnitude series"
    todo = "name one in the protocol file: [ingest] series_number, series_description, n_echoes or first_echo_time_ms"


class SeriesNotFound(SeriesError):
    code = "series-not-found"
    expected = "one multi-echo series that fits the protocol file's [ingest] table"
    todo = "correct the protocol file, or ask the site for the series"


class TwoPatients(SeriesError):
    code = "two-patients"
    expected = "images of one patient in one visit"
    todo = "separate the patients' files and run again"


class TwoVisits(SeriesError):
    code = "two-visits"
    expected = "images of one study date in one visit"
    todo = "separate the visits' files and run again"


class DuplicateConflict(SeriesError):
    code = "duplicate-conflict"
    expected = "one image per SOP Instance UID"
    todo = "find out which file is the scanner's own and remove the other"


class GradientEcho(SeriesError):
    code = "gradient-echo"
    expected = "a spin-echo series; a gradient-echo series measures T2*, another quantity"
    todo = "send the spin-echo series; to read T2* on purpose, [ingest] require_spin_echo = false in the protocol file"


class SequenceUnknown(SeriesError):
    code = "sequence-unknown"
    expected = "a header that says spin echo (ScanningSequence SE, or EchoPulseSequence SPIN)"
    todo = "if the protocol is known to be spin echo, set [ingest] require_spin_echo = false"


class EchoError(InputError):
    """The echo times cannot be trusted."""

    code = "echo-error"


class EchoTimeMissing(EchoError):
    code = "echo-time-missing"
    expected = "EchoTime (0018,0081) or EffectiveEchoTime (0018,9082) in every image"
    todo = "export the series again without removing EchoTime; t2disc never guesses it"


class EchoTimeNotANumber(EchoError):
    code = "echo-time-not-a-number"
    expected = "EchoTime as a decimal number in ms"
    todo = "export the series again; t2disc never guesses an echo time"


class EchoTimeNotPositive(EchoError):
    code = "echo-time-not-positive"
    expected = "echo times above 0 ms"
    todo = "export the series again; t2disc never guesses an echo time"


class EchoTimesAllEqual(EchoError):
    code = "echo-times-all-equal"
    expected = "a different echo time for each echo"
    todo = "ask the site for the product sequence or the echo times; some research sequences write only the shortest"


class EchoTimeRepeated(EchoError):
    code = "echo-time-repeated"
    expected = "each echo time once per slice"
    todo = "export the series again; two echoes carry the same echo time"


class EchoMissing(EchoError):
    code = "echo-missing"
    expected = "every echo of the train"
    todo = "export the series again; an archive may have dropped images"


class EchoNumbersContradict(EchoError):
    code = "echo-numbers-contradict"
    expected = "echo numbers that rise with the echo times, one number at each"
    todo = "export the series again; either the numbers or the times are wrong"


class EchoDoubled(EchoError):
    code = "echo-doubled"
    expected = "each echo once"
    todo = "keep one of the two copies or repeats of the echo"


class GeometryError(InputError):
    """The slices do not make one regular volume."""

    code = "geometry-error"


class SliceMissing(GeometryError):
    code = "slice-missing"
    expected = "every slice at every echo time"
    todo = "export the series again; files were lost on the way"


class SliceDoubled(GeometryError):
    code = "slice-doubled"
    expected = "each slice once per echo time"
    todo = "remove the second copy, or separate the repeats"


class SliceSpacingUneven(GeometryError):
    code = "slice-spacing-uneven"
    expected = "slices at equal steps"
    todo = "export one regular stack; T2 maps of uneven stacks have no honest affine"


class SlicesSheared(GeometryError):
    code = "slices-sheared"
    expected = "slices stacked along their common normal"
    todo = "export one regular stack"


class TwoOrientations(GeometryError):
    code = "two-orientations"
    expected = "one slice orientation per series"
    todo = "separate the orientations into series and run again"


class GeometryMissing(GeometryError):
    code = "geometry-missing"
    expected = "ImagePositionPatient, ImageOrientationPatient and PixelSpacing in every image"
    todo = "export the series again as original MR images"


class PixelError(InputError):
    """The pixel values cannot be trusted or decoded."""

    code = "pixel-error"


class PixelsLossy(PixelError):
    code = "pixels-lossy"
    expected = "uncompressed or losslessly compressed pixels"
    todo = "export the series again without lossy compression; T2 would follow the compressor"


class PixelsTruncated(PixelError):
    code = "pixels-truncated"
    expected = "as many pixel bytes as the header states"
    todo = "copy or export the file again"


class PixelsUndecodable(PixelError):
    code = "pixels-undecodable"
    expected = "native, RLE, JPEG 2000 lossless or JPEG-LS lossless pixels"
    todo = "decompress the files first (for example dcmdjpeg or gdcmconv --raw)"


class PixelsUnsupported(PixelError):
    code = "pixels-unsupported"
    expected = "one grey-scale sample of 8 or 16 bits per pixel"
    todo = "export the original MR images, not screenshots"


class RescaleUnequal(PixelError):
    code = "rescale-unequal"
    expected = "a rescale that puts every echo on one common scale"
    todo = "export with the vendor's private scale slope, or with one rescale for the series"


class GridMismatch(PixelError):
    code = "grid-mismatch"
    expected = "the same matrix, pixel size and affine at every echo"
    todo = "export the echoes of one acquisition"


class LabelError(InputError):
    """The label map cannot be used."""

    code = "label-error"


class LabelsUnreadable(LabelError):
    code = "labels-unreadable"
    expected = "a three-dimensional label map of whole numbers: NIfTI, .seg.nrrd of 3D Slicer, or DICOM SEG"
    todo = "save the labels again, best as NIfTI"


class LabelsUnnamed(LabelError):
    code = "labels-unnamed"
    expected = "a BIDS _dseg.tsv beside the label map with columns index and name, or values of a known tool"
    todo = "write the table: one row per label value, name such as L4/L5"


class LabelsLevelUnknown(LabelError):
    code = "labels-level-unknown"
    expected = "disc levels written T12/L1, L1/L2, L2/L3, L3/L4, L4/L5 or L5/S1"
    todo = "correct the name column of the _dseg.tsv"


class LabelsRepeated(LabelError):
    code = "labels-repeated"
    expected = "each level and each index once"
    todo = "correct the _dseg.tsv"


class LabelsOutsideImage(LabelError):
    code = "labels-outside-image"
    expected = "a label map that overlaps the image in world space"
    todo = "check that the labels belong to this visit and were drawn on this series"


class LabelsOutOfOrder(LabelError):
    code = "labels-out-of-order"
    expected = "discs that follow one another from superior to inferior, as their names do"
    todo = "check the names in the _dseg.tsv against the picture; some tools number the levels the other way"


class LabelsMissing(LabelError):
    code = "labels-missing"
    expected = "one label map per visit in the folder of labels"
    todo = "check the folder given with --labels"


class LabelsSchemeUnknown(LabelError):
    code = "labels-scheme-unknown"
    expected = "values of one of totalspineseg, spineps, sct, spider, totalsegmentator"
    todo = "write a _dseg.tsv beside the label map, or name the scheme: load_labels(path, scheme=...)"


class LabelsWithoutOutlines(LabelError):
    code = "labels-without-outlines"
    expected = "outlines of discs, each disc under a value of its own"
    todo = "draw the discs or export them from the tool, or leave the map away: discs are then found automatically"


class LabelsMirrored(LabelError):
    code = "labels-mirrored"
    expected = "the canal behind the discs, the sacrum behind and below L5/S1"
    todo = "check how the labels were exported: the map lies back to front on the image"


class FitError(InputError):
    """The series is not one that the model asked for can be fitted to."""

    code = "fit-error"


class NoiseUnknown(FitError):
    code = "noise-unknown"
    expected = "a volume with air, or with enough bright voxels and 3 echoes or more, that tells the noise"
    todo = "fit a model that needs no sigma (mono, epg), or give sigma from Python"


class TrainUnsuited(FitError):
    code = "train-unsuited"
    expected = "echo times that the model can be fitted to"
    todo = "fit another model to this visit"


class MatchError(InputError):
    """Two visits of a participant cannot be compared disc by disc; each keeps its own numbers."""

    code = "match-error"


class NoCommonLevel(MatchError):
    code = "no-common-level"
    expected = "at least one disc found at both visits"
    todo = "look at both visits' labels; correct them in the folder corrections"


class OrientationDiffers(MatchError):
    code = "orientation-differs"
    expected = (
        "slices within 30 degrees of those of the baseline: slices that are millimetres thick, turned, mix other tissue"
    )
    todo = "measure the visit on its own, or repeat the scan as the protocol says"


class QuantityDiffers(MatchError):
    code = "quantity-differs"
    expected = "T2 at both visits, or T2* at both"
    todo = "measure the visit on its own; set [ingest] so that one sequence is chosen at both visits"


class SameImages(MatchError):
    code = "same-images"
    expected = "the images of two scans"
    todo = "find out which visit the images are of, and ask the site for those of the other"


class LevelsSlipped(MatchError):
    code = "levels-slipped"
    expected = "discs of one name at one place in the spine at both visits"
    todo = "look at both visits' pictures; name the discs alike by a correction of one of the label maps"


class VisitsUnalike(MatchError):
    code = "visits-unalike"
    expected = "the bones of one person at both visits"
    todo = "check that both visits are of the same participant, and that their discs are labelled rightly"


# ------------------------------------------------------------------------------------------------ study
class StudyError(T2DiscError):
    """The study folder cannot be understood as visits of participants."""

    code = "study-error"


class StudyNotFound(StudyError):
    code = "study-not-found"
    expected = "a folder that exists and can be read"
    todo = "check the path"


class NoVisits(StudyError):
    code = "no-visits"
    expected = "study_dir/<participant>/<visit>/..., BIDS sub-*/ses-*, or one heap of DICOM files"
    todo = "check the path, or the layout in docs/quickstart.md"


class LayoutUnclear(StudyError):
    code = "layout-unclear"
    expected = "one layout: participant and visit folders, BIDS, or one heap"
    todo = "move the stray files, or set [study] layout in the protocol file"


class NameCollision(StudyError):
    code = "name-collision"
    expected = "folder names that stay different once reduced to letters and digits"
    todo = "rename one of the folders"


class ParticipantsInvalid(StudyError):
    code = "participants-invalid"
    expected = "participants.tsv with columns participant_id and index_level, one row per participant"
    todo = "correct the table"


class VisitOrderUnknown(StudyError):
    code = "visit-order-unknown"
    expected = "acquisition dates, or visit names such as baseline, M3, month12"
    todo = "list the visits in order in the protocol file: [study] visit_order = [...]"


class RetestVisitUnknown(StudyError):
    code = "retest-visit-unknown"
    expected = "the name of a visit that repeats the baseline within days"
    todo = (
        "correct [repeatability] retest_visit in the protocol file, or leave it out: no repeats of the study are used"
    )


class PseudonymKeyMissing(StudyError):
    code = "pseudonym-key-missing"
    expected = "a key for the pseudonyms of a heap of files"
    todo = "run t2disc fit once (it makes the key), or set T2DISC_PSEUDONYM_KEY"


# ------------------------------------------------------------------------------------------------ usage
class UsageError(T2DiscError):
    """The call or the protocol file is wrong."""

    code = "usage-error"


class ProtocolInvalid(UsageError):
    code = "protocol-invalid"
    expected = "a TOML protocol file with known keys and values"
    todo = "correct the protocol file"


class ModelUnknown(UsageError):
    code = "model-unknown"
    todo = "choose one of the models named"


class StudyLocked(UsageError):
    code = "study-locked"
    expected = "no change to the outputs of a locked study without a reason"
    todo = "tell it with --reason, or unlock the study with t2disc lock --unlock"


class ArgumentInvalid(UsageError, ValueError):
    code = "argument-invalid"
    todo = "correct the call"


# ------------------------------------------------------------------------------------------------ install
class InstallError(T2DiscError):
    """The installed package is not whole; no visit can be measured with it."""

    code = "install-error"


class WeightsDamaged(InstallError):
    code = "weights-damaged"
    expected = "the weights that belong to this version, verified by their SHA-256"
    todo = "install t2disc again"


# ------------------------------------------------------------------------------------------------ store
class StoreError(T2DiscError):
    """An output could not be written; earlier results are untouched."""

    code = "store-error"


class DiskFull(StoreError):
    code = "disk-full"
    expected = "room for the outputs"
    todo = "free space or choose another output folder, then run again"


class PermissionDenied(StoreError):
    code = "permission-denied"
    expected = "an output folder that can be written"
    todo = "choose another output folder with -o"


class OutputBusy(StoreError):
    code = "output-busy"
    expected = "one run at a time on one output folder"
    todo = "wait for the other run, then run again"


class WriteFailed(StoreError):
    code = "write-failed"
    expected = "a file written whole"
    todo = "check the disk, then run again"


class StdoutUnwritable(StoreError):
    code = "stdout-unwritable"
    expected = "a terminal, a pipe or a file that takes what is printed"
    todo = "free space, or send the output elsewhere, and run again: visits that were measured stay done"


class OutputsDamaged(StoreError):
    code = "outputs-damaged"
    expected = "the maps and labels that t2disc published, whole"
    todo = "run t2disc fit again: it makes outputs anew that were changed or lost"


class RecordsOutdated(StoreError):
    code = "records-outdated"
    expected = "records of the version that this t2disc writes"
    todo = (
        "run t2disc fit on the study, without --only: it measures them again; results that the study no longer has are "
        "yours to take away"
    )


class RatingsDamaged(StoreError):
    code = "ratings-damaged"
    expected = "each line as it was written, after the one before it"
    todo = "bring the file of ratings back from a copy; nothing is added to it as it is"


class AuditDamaged(StoreError):
    code = "audit-damaged"
    expected = "each line of audit.jsonl as it was written, after the one before it"
    todo = "bring audit.jsonl back from a copy; nothing is added to it as it is"


class ReadingSetDamaged(StoreError):
    code = "reading-set-damaged"
    expected = "a folder that t2disc blind wrote, whole, and the key that was made with it"
    todo = "bring the folder, or its key, back from a copy; or make a new reading set"


# ------------------------------------------------------------------------------------------------ children
class ChildError(T2DiscError):
    """The process of one visit did not come to its end, twice; the visit is quarantined and the others go on."""

    code = "child-error"


class ChildCrashed(ChildError):
    code = "child-crashed"
    expected = "a process that tells its result before it ends"
    todo = "run the visit alone with --jobs 1; if it ends so again, report it with the code and the version"


class OutOfMemory(ChildError):
    code = "out-of-memory"
    expected = "a visit that fits into the memory it may use"
    todo = "give it more (--memory-limit), or run fewer at once (--jobs)"


class TimeLimit(ChildError):
    code = "time-limit"
    expected = "a visit that ends within its time"
    todo = "give it more (--timeout), or fewer at once (--jobs); a visit that never ends is a fault to report"


class ExecutorError(T2DiscError):
    """Visits cannot be given to other processes or machines; no visit can be measured there."""

    code = "executor-error"


class DaskMissing(ExecutorError):
    code = "dask-missing"
    expected = "dask.distributed, which --executor dask-local and dask://host:port need"
    todo = "pip install 'distributed>=2024.12' (t2disc's extra dask), or leave --executor out"


class SchedulerUnreachable(ExecutorError):
    code = "scheduler-unreachable"
    expected = "a running dask scheduler with workers, of a version that suits the one installed here"
    todo = "see that scheduler and workers run and can be reached, then run again: visits that are done stay done"


class WorkerUnsuited(ExecutorError):
    code = "worker-unsuited"
    expected = "workers with the same version of t2disc that see the study and the output folder under the same paths"
    todo = "install this version on them, share the disk, and run from a folder that they see; then run again"


class InternalError(T2DiscError):
    """A fault of t2disc itself; the visit is quarantined and the others go on."""

    code = "internal-error"
    expected = "no unforeseen exception"
    todo = "report it with the code and the version; no patient data is needed"
