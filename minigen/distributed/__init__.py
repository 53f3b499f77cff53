"""Several processes that train one model, under PyTorch's names.

    mpiexec -n 4 python train.py

    from minigen import distributed
    distributed.init_process_group()                # "mpi": needs pip install 'minigen[mpi]'
    model = distributed.DistributedDataParallel(model)      # nn.parallel.Distributed…, too
    for step in range(1000):
        loss(model(my_part_of_the_batch)).backward()   # gradients are averaged as they come
        optimiser.step()

Each process, a rank, is one Python on its part of each batch. Backends: "mpi" is mpi4py, for arrays
of NumPy's (CuPy's go through the host, unless MINIGEN_CUDA_AWARE_MPI=1 says that this MPI takes
them); "nccl" is `cupyx.distributed` for CuPy's, with MPI for all else.

A process without a group is rank 0 of 1, and what it reduces or broadcasts stays as it is: the same
script runs alone. The demos of this project make the group by themselves (`minigen.training`).

    group.py       the group, and what it can do with tensors
    mpi.py         messages, each waited for by a deadline; nccl.py: the same between cards
    last_words.py  the one line of a group that ends because one of its ranks does
    reducer.py     gradients averaged in buckets while the walk back goes on
    parallel.py    DistributedDataParallel, SyncBatchNorm, DistributedSampler
    dealing.py     random numbers of one process's batch, dealt out
    tables.py      tables that each rank changes by itself, brought together now and then
    rehearsal.py   one rank of many that are not there; network.py: how long messages take
    plan.py        how long a step would take on more ranks: python -m minigen.distributed.plan RUN
"""

from minigen.distributed.group import (
    ReduceOp,
    Work,
    all_gather_object,
    all_reduce,
    barrier,
    broadcast,
    broadcast_object,
    destroy_process_group,
    get_backend,
    get_rank,
    get_world_size,
    init_process_group,
    is_available,
    is_initialized,
    launched,
)

__all__ = [
    "DistributedDataParallel", "DistributedSampler", "ReduceOp", "SyncBatchNorm", "Work",
    "all_gather_object", "all_reduce", "barrier", "broadcast", "broadcast_object",
    "destroy_process_group", "get_backend", "get_rank", "get_world_size", "init_process_group",
    "is_available", "is_initialized", "launched",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in ("DistributedDataParallel", "DistributedSampler", "SyncBatchNorm"):
        from minigen.distributed import parallel  # here: it stands on nn

        return getattr(parallel, name)
    raise AttributeError(f"minigen.distributed has no {name}")
