//! Calling a resolver: a function of somebody's, in the middle of a publisher's transaction that may run with the rights
//! of the extension's owner.

use crate::refuse::refuse;
use pgrx::pg_catalog::pg_proc::{PgProc, ProKind};
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::prelude::*;
use pgrx::{AnyElement, FromDatum, IntoDatum, pg_sys};

/// `resolver(tenant_id, resource_id)` with the rights of the resolver's owner and no others, whether it is SECURITY DEFINER
/// or not, as PostgreSQL itself calls what belongs to a table's owner.
#[pg_extern(sql = false, volatile)]
fn call_resolver(
    resolver: pg_sys::Oid,
    tenant_id: pgrx::Uuid,
    resource_id: pgrx::Uuid,
) -> Option<AnyElement> {
    let function = PgProc::new(resolver);
    let Some(owner) = function
        .filter(|f| {
            f.proargtypes() == [pg_sys::UUIDOID, pg_sys::UUIDOID]
                && f.prorettype() == pg_sys::JSONBOID
                && !f.proretset()
                && matches!(f.prokind(), ProKind::Function)
        })
        .map(|f| f.proowner())
    else {
        refuse(
            format!("function {resolver} can't resolve resources"),
            "A resolver takes a tenant's id and a resource's, both uuid, and returns jsonb.",
        )
    };
    let arguments = [tenant_id.into_datum()?, resource_id.into_datum()?];
    let mut user = pg_sys::InvalidOid;
    let mut context = 0;
    // SAFETY: these set the user of this backend; the old one is set again below, and by the server if an error ends
    // the (sub)transaction.
    let level = unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        let restricted =
            pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        pg_sys::SetUserIdAndSecContext(owner, context | restricted as i32);
        pg_sys::NewGUCNestLevel()
    };
    let result = call(resolver, arguments);
    // SAFETY: as above.
    unsafe {
        pg_sys::AtEOXact_GUC(false, level);
        pg_sys::SetUserIdAndSecContext(user, context);
    }
    // SAFETY: the function returns jsonb.
    result.and_then(|datum| unsafe {
        AnyElement::from_polymorphic_datum(datum, false, pg_sys::JSONBOID)
    })
}

/// Calls a function of two arguments that may return null.
fn call(function: pg_sys::Oid, arguments: [pg_sys::Datum; 2]) -> Option<pg_sys::Datum> {
    let mut info = pg_sys::FmgrInfo::default();
    // SAFETY: `info` outlives the call. The call's frame is allocated with room for both arguments, all of it zero.
    // `fn_addr` was set by fmgr_info; an error in it comes back through the guard.
    unsafe {
        pg_sys::fmgr_info(function, &mut info);
        let arguments_at = std::mem::offset_of!(pg_sys::FunctionCallInfoBaseData, args);
        let size = arguments_at + arguments.len() * size_of::<pg_sys::NullableDatum>();
        let frame = pg_sys::palloc0(size).cast::<pg_sys::FunctionCallInfoBaseData>();
        (*frame).flinfo = &mut info;
        (*frame).nargs = arguments.len() as i16;
        let values = (*frame).args.as_mut_ptr();
        for (n, value) in arguments.into_iter().enumerate() {
            *values.add(n) = pg_sys::NullableDatum {
                value,
                isnull: false,
            };
        }
        let address = info.fn_addr?;
        let result = pg_guard_ffi_boundary(|| address(frame));
        (!(*frame).isnull).then_some(result)
    }
}
