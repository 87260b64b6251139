//! The meters of tenants with limits, in dynamic shared memory: no `shared_preload_libraries`, no restart. The first session
//! that needs it makes a segment, which stays until the server stops; the others find it by its handle, which SQL keeps
//! (`webhooks_private.open_meters()`). What a meter says is `webhooks_core::meter`'s matter.

use crate::ids::to_uuid;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use webhooks_core::meter::{METERS, Meter, Meters, Outstanding};

/// What a segment of this layout begins with.
const MAGIC: u64 = u64::from_be_bytes(*b"webhook1");

#[repr(C)]
struct Segment {
    magic: AtomicU64,
    meters: [Meter; METERS],
}

/// Where this session has mapped it; null: nowhere yet. Once mapped it stays so.
static SEGMENT: AtomicPtr<Segment> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// What the statement has taken so far.
    static TAKEN: RefCell<Vec<Taken>> = const { RefCell::new(Vec::new()) };
}

struct Taken {
    meter: &'static Meter,
    per_minute: i64,
    /// 0: the turn to count what is outstanding.
    events: i64,
}

/// Adds to what the statement has taken.
fn note(meter: &'static Meter, per_minute: i64, events: i64) {
    TAKEN.with_borrow_mut(|taken| match taken.last_mut() {
        Some(last)
            if ptr::eq(last.meter, meter)
                && last.per_minute == per_minute
                && (last.events == 0) == (events == 0) =>
        {
            last.events += events;
        }
        _ => taken.push(Taken {
            meter,
            per_minute,
            events,
        }),
    });
}

fn meters() -> Option<Meters<'static>> {
    let segment = NonNull::new(SEGMENT.load(Ordering::Relaxed))?;
    // SAFETY: `keep` has pinned the mapping, as large as a Segment, and all in it is atomic.
    Some(Meters(unsafe { &segment.as_ref().meters }))
}

/// Keeps a segment mapped for as long as the session lasts.
///
/// # Safety
/// It must be a mapped segment that holds a `Segment`.
unsafe fn keep(segment: *mut pg_sys::dsm_segment) {
    // SAFETY: as the caller says.
    unsafe {
        pg_sys::dsm_pin_mapping(segment);
        SEGMENT.store(
            pg_sys::dsm_segment_address(segment).cast(),
            Ordering::Relaxed,
        );
    }
}

/// Makes the memory. Returns: its handle, or `None` if the server has no more segments.
#[pg_extern(sql = false, volatile)]
fn create_meters() -> Option<i64> {
    // SAFETY: the segment is as large as a Segment, aligned to a page, and nobody else knows it yet. All zero is valid.
    unsafe {
        let flags = pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS;
        let segment = pg_sys::dsm_create(size_of::<Segment>(), flags as i32);
        if segment.is_null() {
            return None;
        }
        let memory = pg_sys::dsm_segment_address(segment).cast::<Segment>();
        memory.write_bytes(0, 1);
        (*memory).magic.store(MAGIC, Ordering::Release);
        pg_sys::dsm_pin_segment(segment);
        keep(segment);
        Some(pg_sys::dsm_segment_handle(segment).into())
    }
}

/// Maps the memory that another session made. Returns: false if it is not there, as after a restart of the server.
#[pg_extern(sql = false, volatile)]
fn attach_meters(handle: i64) -> bool {
    if meters().is_some() {
        return true;
    }
    let Some(handle) = u32::try_from(handle).ok().filter(|handle| *handle != 0) else {
        return false;
    };
    // SAFETY: a handle that there is not maps nothing. One of somebody else's segment, who was given the same number, is
    // told by its size and its first word, which is aligned and initialized or at least mapped.
    unsafe {
        if !pg_sys::dsm_find_mapping(handle).is_null() {
            return false;
        }
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return false;
        }
        let memory = pg_sys::dsm_segment_address(segment).cast::<Segment>();
        if pg_sys::dsm_segment_map_length(segment) < size_of::<Segment>()
            || (*memory).magic.load(Ordering::Acquire) != MAGIC
        {
            pg_sys::dsm_detach(segment);
            return false;
        }
        keep(segment);
        true
    }
}

/// In nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn meter_of(tenant_id: pgrx::Uuid, now: i64) -> Option<&'static Meter> {
    meters()?.meter(to_uuid(tenant_id).as_u128(), now)
}

/// A statement begins: nothing is taken so far.
#[pg_extern(sql = false, volatile)]
fn begin_metering() -> bool {
    TAKEN.with_borrow_mut(Vec::clear);
    true
}

/// Gives back what was taken since [`begin_metering`].
#[pg_extern(sql = false, volatile)]
fn undo_metering() -> bool {
    for taken in TAKEN.take() {
        if taken.events == 0 {
            taken.meter.pass();
        } else {
            taken.meter.give_back(taken.events, taken.per_minute);
        }
    }
    true
}

/// Takes events out of a tenant's bucket, unless too much is outstanding. Limits of 0 are none.
///
/// Returns: `None` if that is all right, else what must be done first or is at its limit.
#[pg_extern(sql = false, volatile)]
fn meter_events(
    tenant_id: pgrx::Uuid,
    events: i64,
    per_minute: i64,
    max_outstanding: i64,
) -> Option<&'static str> {
    if per_minute <= 0 && max_outstanding <= 0 {
        return None;
    }
    let now = now();
    let Some(meters) = meters() else {
        return Some("closed");
    };
    let meter = meters.meter(to_uuid(tenant_id).as_u128(), now)?;
    if max_outstanding > 0 {
        match meter.outstanding(max_outstanding, now) {
            Outstanding::Unknown => {
                note(meter, per_minute, 0);
                return Some("unknown");
            }
            Outstanding::Known(known) if known >= max_outstanding => return Some("outstanding"),
            Outstanding::Known(_) => {}
        }
    }
    if per_minute > 0 {
        if meter.take(events, per_minute, now).is_err() {
            return Some("events");
        }
        note(meter, per_minute, events);
    }
    None
}

/// How many of a minute's events a tenant has used up.
#[pg_extern(sql = false, volatile)]
fn metered_events(tenant_id: pgrx::Uuid, per_minute: i64) -> Option<i64> {
    let now = now();
    meter_of(tenant_id, now).map(|meter| meter.taken(per_minute, now))
}

/// Tells a tenant's meter how many deliveries are outstanding, and how many microseconds it took to count them.
#[pg_extern(sql = false, volatile)]
fn meter_outstanding(tenant_id: pgrx::Uuid, outstanding: i64, max_outstanding: i64, took_us: i64) {
    let now = now();
    if let Some(meter) = meter_of(tenant_id, now) {
        // It was this statement's turn, and is no more.
        TAKEN.with_borrow_mut(|taken| taken.retain(|t| t.events > 0 || !ptr::eq(t.meter, meter)));
        meter.know(
            outstanding,
            max_outstanding,
            took_us.saturating_mul(1000),
            now,
        );
    }
}
