# What type checkers see of the lazy names in __init__.py; a test keeps the two alike.

from manyhands.api import load_study as load_study
from manyhands.api import tune as tune
from manyhands.errors import AllTrialsFailedError as AllTrialsFailedError
from manyhands.errors import ExecutorError as ExecutorError
from manyhands.errors import ManyhandsError as ManyhandsError
from manyhands.errors import NoResultError as NoResultError
from manyhands.errors import ObjectiveError as ObjectiveError
from manyhands.errors import PayloadError as PayloadError
from manyhands.errors import SearchEndedError as SearchEndedError
from manyhands.errors import SettingsError as SettingsError
from manyhands.errors import SpaceError as SpaceError
from manyhands.errors import StoreError as StoreError
from manyhands.errors import StudyMismatchError as StudyMismatchError
from manyhands.errors import StudyNotFoundError as StudyNotFoundError
from manyhands.errors import StudyOwnedError as StudyOwnedError
from manyhands.errors import TrialStopped as TrialStopped
from manyhands.executors.inline import Inline as Inline
from manyhands.executors.processes import Processes as Processes
from manyhands.executors.remote import Remote as Remote
from manyhands.executors.simulated import Fault as Fault
from manyhands.executors.simulated import Simulated as Simulated
from manyhands.executors.spark.executor import Spark as Spark
from manyhands.parameters import Choice as Choice
from manyhands.parameters import Float as Float
from manyhands.parameters import Int as Int
from manyhands.parameters import Normal as Normal
from manyhands.ports import Sampler as Sampler
from manyhands.ports import Scheduler as Scheduler
from manyhands.ports import StopRule as StopRule
from manyhands.ports import Tracker as Tracker
from manyhands.rules import NoProgress as NoProgress
from manyhands.rules import Target as Target
from manyhands.samplers.gp.sampler import GPSampler as GPSampler
from manyhands.samplers.grid import GridSampler as GridSampler
from manyhands.samplers.random import RandomSampler as RandomSampler
from manyhands.samplers.sobol import SobolSampler as SobolSampler
from manyhands.samplers.tpe.sampler import TPESampler as TPESampler
from manyhands.space import Space as Space
from manyhands.stores.memory import MemoryStore as MemoryStore
from manyhands.stores.sqlite import SqliteStore as SqliteStore
from manyhands.study import Study as Study
from manyhands.trial import Trial as Trial
from manyhands.trial import TrialState as TrialState
from manyhands.worker.handle import TrialHandle as TrialHandle

__version__: str
